/** Every instrumentation, in alphabetical order. */

import amqplib from './amqplib.js'
import awsSdkClientSqs from './aws-sdk-client-sqs.js'
import type { Instrumentation } from './define.js'
import express from './express.js'
import http from './http.js'
import pg from './pg.js'
import undici from './undici.js'

export const instrumentations: readonly Instrumentation[] = [amqplib, awsSdkClientSqs, express, http, pg, undici]
