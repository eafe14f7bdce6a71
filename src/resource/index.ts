/** What sends the spans, as the detectors that configuration names find it (semantic conventions, resource attributes). */
import { log } from '../diagnostics/log.js'
import type { Attributes, AttributeValue } from '../semconv.js'
import { version } from '../version.js'
import { alibaba } from './alibaba.js'
import { aws } from './aws.js'
import { azure } from './azure.js'
import { container } from './container.js'
import type { Ask, Detector, Finding, Surroundings } from './detector.js'
import { gcp } from './gcp.js'
import { host } from './host.js'
import { k8s } from './k8s.js'
import type * as Metadata from './metadata.js'
import { os } from './os.js'
import { thisProcess } from './process.js'
import { serviceInstance } from './service-instance.js'

export interface ResourceOptions {
  readonly serviceName: string
  readonly serviceVersion?: string | undefined
  readonly resourceAttributes: Readonly<Record<string, AttributeValue>>
  readonly resourceDetectors: readonly string[]
}

export interface Detected {
  /** What is known at once. */
  readonly attributes: Attributes
  /** All that is known in the end; absent where nobody was asked for more. Never rejects. */
  readonly whole: Promise<Attributes> | undefined
}

// What a later one finds counts before what an earlier one did.
const DETECTORS: Readonly<Record<string, Detector>> = {
  host,
  os,
  process: thisProcess,
  serviceinstance: serviceInstance,
  container,
  k8s,
  alibaba,
  azure,
  gcp,
  aws,
}

// Metadata servers answer in a few milliseconds, or they are not there.
const WITHIN_MS = 200

/**
 * The configured attributes win over the detected ones, whatever detectors there are, and the service name over both. To
 * ask others takes at most `withinMs` altogether.
 */
export function detectResource(
  options: ResourceOptions,
  surroundings: Surroundings,
  withinMs: number = WITHIN_MS,
): Detected {
  const { resourceDetectors: names } = options
  const findings = Object.keys(DETECTORS)
    .filter(name => names.includes('all') || names.includes(name))
    .map(name => found(name, surroundings))
    .filter(finding => finding !== undefined)
  const known = findings.map(({ attributes }) => attributes)
  const attributes = resourceOf(options, known)
  if (!findings.some(({ more }) => more !== undefined)) return { attributes, whole: undefined }
  const whole = asked(options, findings, withinMs).catch(error => {
    log.debug('no metadata server was asked: %s', error)
    return attributes
  })
  return { attributes, whole }
}

function found(name: string, surroundings: Surroundings): Finding | undefined {
  try {
    return DETECTORS[name]?.(surroundings)
  } catch (error) {
    log.debug('the resource detector %s failed: %s', name, error)
    return undefined
  }
}

async function asked(options: ResourceOptions, findings: readonly Finding[], withinMs: number): Promise<Attributes> {
  // A file of its own, as most machines are not in a cloud.
  const { createAsk } = require('./metadata.js') as typeof Metadata
  const ask = createAsk(performance.now() + withinMs)
  const known = findings.map(async ({ attributes, more }) => ({ ...attributes, ...(await answered(more, ask)) }))
  return resourceOf(options, await Promise.all(known))
}

async function answered(more: Finding['more'], ask: Ask): Promise<Attributes> {
  try {
    return defined({ ...(await more?.(ask)) })
  } catch (error) {
    log.debug('what a metadata server said is of no use: %s', error)
    return {}
  }
}

function resourceOf(options: ResourceOptions, known: readonly object[]): Attributes {
  const detected: Attributes = Object.assign({}, ...known.map(attributes => defined({ ...attributes })))
  return {
    ...detected,
    'service.version': options.serviceVersion ?? detected['service.version'],
    'telemetry.sdk.name': '@org/trace',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
    ...options.resourceAttributes,
    'service.name': options.serviceName,
  }
}

/** Without what is not known: it would hide what another detector knows. */
const defined = (attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
