/** An emulator of SQS and SNS, from npm, in the process of the test run. */
export async function sqs({ atStop }) {
  const { buildApp } = await import('fauxqs')
  const app = buildApp({ logger: false })
  // Its own `startFauxqs` listens on every interface.
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  atStop.push(() => app.close())
  return { TEST_SQS_URL: url }
}
