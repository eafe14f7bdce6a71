/** Every instrumentation, in alphabetical order. */

import amqplib from './amqplib.js'
import awsSdkClientSns from './aws-sdk-client-sns.js'
import awsSdkClientSqs from './aws-sdk-client-sqs.js'
import bull from './bull.js'
import bullmq from './bullmq.js'
import childProcess from './child-process.js'
import cron from './cron.js'
import croner from './croner.js'
import type { Instrumentation } from './define.js'
import express from './express.js'
import graphileWorker from './graphile-worker.js'
import http from './http.js'
import http2 from './http2.js'
import kafkajs from './kafkajs.js'
import mqtt from './mqtt.js'
import nats from './nats.js'
import nodeCron from './node-cron.js'
import nodeSchedule from './node-schedule.js'
import pg from './pg.js'
import pgBoss from './pg-boss.js'
import piscina from './piscina.js'
import undici from './undici.js'
import workerThreads from './worker-threads.js'
import workerpool from './workerpool.js'

export const instrumentations: readonly Instrumentation[] = [
  amqplib,
  awsSdkClientSns,
  awsSdkClientSqs,
  bull,
  bullmq,
  childProcess,
  cron,
  croner,
  express,
  graphileWorker,
  http,
  http2,
  kafkajs,
  mqtt,
  nats,
  nodeCron,
  nodeSchedule,
  pg,
  pgBoss,
  piscina,
  undici,
  workerThreads,
  workerpool,
]
