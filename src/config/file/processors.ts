/** The processors of a configuration file, with their exporters, as our destinations. */
import { fileURLToPath } from 'node:url'
import { headers as headerPairs } from '../otlp.js'
import type { Outcome } from './given.js'
import { type Component, nameAndValue, type Properties } from './model.js'

const BATCH = {
  schedule_delay: 'scheduleDelayMs',
  export_timeout: 'exportTimeoutMs',
  max_queue_size: 'maxQueueSize',
  max_export_batch_size: 'maxExportBatchSize',
}

/** One destination of each kind, and one queue for all of them: what others are asked for is said. */
export function addProcessors(processors: readonly Component[], path: string, outcome: Outcome): void {
  const exporters: string[] = []
  let isBatchSet = false
  for (const [at, processor] of processors.entries()) {
    const [name, value] = nameAndValue(processor)
    const own = `${path}[${at}].${name}`
    if (value.properties !== undefined) {
      outcome.wanted.push({ kind: 'SpanProcessor', name, properties: value.properties as Properties, from: own })
      continue
    }
    const destination = addExporter(value.exporter as Component, `${own}.exporter`, exporters, outcome)
    if (destination === undefined) continue
    exporters.push(destination)
    if (destination === 'console') continue
    if (!isBatchSet) addBatch(name, value, own, outcome)
    else if (Object.keys(BATCH).some(key => value[key] !== undefined && value[key] !== null))
      outcome.remarks.push({ level: 'warn', path: own, text: 'is not used: all exporters have the queue of the first' })
    isBatchSet = true
  }
  // An exporter of the application is beside these, and in place of none.
  outcome.given.push({ option: 'exporters', value: exporters.filter(name => name !== 'own'), from: path })
}

/** A simple processor waits for nothing. */
function addBatch(name: string, value: Properties, path: string, { given }: Outcome): void {
  if (name === 'simple') given.push({ option: 'batch.scheduleDelayMs', value: 0, from: path })
  for (const [key, option] of Object.entries(BATCH)) {
    if (value[key] !== undefined && value[key] !== null)
      given.push({ option: `batch.${option}`, value: value[key], from: `${path}.${key}` })
  }
}

/** The name that the exporter has among our destinations; undefined if it is none. */
function addExporter(
  exporter: Component,
  path: string,
  before: readonly string[],
  outcome: Outcome,
): string | undefined {
  const [name, value] = nameAndValue(exporter)
  const own = `${path}.${name}`
  const refuse = (text: string): undefined => {
    outcome.remarks.push({ level: 'warn', path: own, text })
  }
  const destination = destinationOf(name, value)
  if (destination === undefined && name === 'none') return undefined
  if (destination === undefined) return refuse('is not used; expected stdout or file:///path')
  if (before.includes(destination)) return refuse('is not used: there is an exporter of this kind before it')
  if (destination === 'own')
    outcome.wanted.push({ kind: 'SpanExporter', name, properties: value.properties as Properties, from: own })
  if (destination === 'otlp') addOtlp(name, value, own, outcome)
  if (destination === 'zipkin') addZipkin(value, own, outcome)
  if (destination === 'otlp/file')
    outcome.given.push({
      option: 'otlpFile',
      value: fileURLToPath(String(value.output_stream)),
      from: `${own}.output_stream`,
    })
  return destination
}

function destinationOf(name: string, value: Properties): string | undefined {
  if (value.properties !== undefined) return 'own'
  if (name === 'otlp_http' || name === 'otlp_grpc') return 'otlp'
  if (name === 'console' || name === 'zipkin') return name
  if (name !== 'otlp_file/development') return undefined
  const stream = value.output_stream ?? 'stdout'
  if (stream === 'stdout') return 'otlp/stdout'
  return isFileUrl(String(stream)) ? 'otlp/file' : undefined
}

function isFileUrl(text: string): boolean {
  try {
    return fileURLToPath(text) !== ''
  } catch {
    return false
  }
}

function addZipkin({ endpoint, timeout }: Properties, path: string, { given }: Outcome): void {
  if (endpoint !== undefined && endpoint !== null)
    given.push({ option: 'zipkin.endpoint', value: endpoint, from: `${path}.endpoint` })
  if (timeout !== undefined && timeout !== null)
    given.push({ option: 'zipkin.timeoutMs', value: timeout, from: `${path}.timeout` })
}

function addOtlp(name: string, value: Properties, path: string, { given, remarks }: Outcome): void {
  const put = (option: string, found: unknown, key: string): void => {
    if (found !== undefined && found !== null)
      given.push({ option: `otlp.${option}`, value: found, from: `${path}.${key}` })
  }
  const json = value.encoding === 'json'
  const http = json ? 'http/json' : 'http/protobuf'
  put('protocol', name === 'otlp_grpc' ? 'grpc' : http, json ? 'encoding' : '')
  put('endpoint', value.endpoint, 'endpoint')
  put('compression', value.compression, 'compression')
  put('timeoutMs', value.timeout, 'timeout')
  // So in the first release candidates.
  put('certificate', value.certificate_file, 'certificate_file')
  put('clientKey', value.client_key_file, 'client_key_file')
  put('clientCertificate', value.client_certificate_file, 'client_certificate_file')
  put('insecure', value.insecure, 'insecure')
  const tls = (value.tls ?? {}) as Properties
  put('certificate', tls.ca_file, 'tls.ca_file')
  put('clientKey', tls.key_file, 'tls.key_file')
  put('clientCertificate', tls.cert_file, 'tls.cert_file')
  put('insecure', tls.insecure, 'tls.insecure')

  const isBad = (): void => {
    remarks.push({ level: 'warn', path: `${path}.headers_list`, text: `expected ${headerPairs.expected}` })
  }
  const listed = typeof value.headers_list === 'string' ? headerPairs.parse(value.headers_list, isBad, '') : undefined
  const single = ((value.headers ?? []) as readonly Properties[]).filter(header => header.value !== null)
  const all = {
    ...listed,
    ...Object.fromEntries(single.map(header => [String(header.name).toLowerCase(), header.value])),
  }
  if (Object.keys(all).length > 0) put('headers', all, single.length > 0 ? 'headers' : 'headers_list')
}
