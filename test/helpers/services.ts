/** Where the services of a test run are: each function used here makes test/run.mjs start that service. */

const address = (name: string): string => {
  const url = process.env[name]
  if (url === undefined) throw new Error(`${name} is not set: run tests by "npm test -- <part of the file's name>"`)
  return url
}

/** PostgreSQL: a connection string of a superuser. */
export const postgres = (): string => address('TEST_POSTGRES_URL')

/** RabbitMQ: an AMQP URL. */
export const rabbitmq = (): string => address('TEST_RABBITMQ_URL')

/** Redis: a URL. */
export const redis = (): string => address('TEST_REDIS_URL')

/** NATS with JetStream: a URL. */
export const nats = (): string => address('TEST_NATS_URL')

/** An MQTT 5 broker: a URL. */
export const mqtt = (): string => address('TEST_MQTT_URL')

/** A Kafka cluster, mocked: its brokers, `host:port,...`. It makes a topic of four partitions of every name that is asked for. */
export const kafka = (): string => address('TEST_KAFKA_BROKERS')

/** An emulator of SQS and SNS: the endpoint. Region and credentials may be any. */
export const sqs = (): string => address('TEST_SQS_URL')

let names = 0

/** A name for a table or a queue that no other test, on whatever run, uses. */
export const uniqueName = (prefix: string): string => `${prefix}_${process.pid}_${Date.now().toString(36)}_${++names}`
