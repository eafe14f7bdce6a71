/** How a measured application answers the benchmark: over the IPC channel of its process. */

/** Says that the application is ready; `run` is what it does when it is asked to work by itself. */
function ready(about = {}, run = async () => {}) {
  process.on('message', async message => {
    if (message.run !== undefined) await run(message.run)
    // Of the whole process, with all its threads.
    const { user, system } = process.cpuUsage()
    process.send({ cpuUs: user + system, rssMb: process.memoryUsage.rss() / 2 ** 20 })
  })
  process.send(about)
}

/** For so long each request keeps the processor. */
const waitMs = Number(process.env.BENCH_WAIT_US ?? 0) / 1000

/** Makes a server listen on a free port, which it tells the benchmark. */
function serve(server) {
  if (waitMs > 0) {
    server.prependListener('request', () => {
      for (const end = performance.now() + waitMs; performance.now() < end; );
    })
  }
  // Connections are idle between the parts of a run.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => ready({ port: server.address().port }))
}

module.exports = { ready, serve }
