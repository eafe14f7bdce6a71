/** Waiting, with an end. */

/** Whether `work`, which never rejects, has resolved within `timeoutMs`; only an application that waits is kept alive for it. */
export async function within(timeoutMs: number, work: Promise<unknown>, keepAlive = false): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, timeoutMs, false)
  })
  if (!keepAlive) timer?.unref()
  const inTime = await Promise.race([work.then(() => true), late])
  clearTimeout(timer)
  return inTime
}
