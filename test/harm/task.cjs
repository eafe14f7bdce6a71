// What the workers of pools run.
const add = ({ a, b }) => {
  if (a === 'throw') throw new TypeError('of the task')
  return { sum: a + b, args: 1 }
}

module.exports = add
module.exports.named = (...args) => ({ args })
