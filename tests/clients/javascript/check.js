// The smallest harness that does: checks run one after another, since later ones build on rows of earlier ones.
import assert from 'node:assert/strict'

const checks = []

/** Registers a check. */
export function check(name, run) {
  checks.push({ name, run })
}

/** Unwraps a client's answer; an error in it fails the check with all that the error says. */
export function ok(answer, status) {
  if (answer.error) assert.fail(`${answer.status}: ${JSON.stringify(answer.error)}`)
  if (status !== undefined) assert.equal(answer.status, status)
  return answer.data
}

/** Expects an error with this code, and gives it. */
export function refused(answer, code, status) {
  assert.ok(answer.error, `expected ${code}, got ${answer.status} ${JSON.stringify(answer.data)}`)
  assert.equal(answer.error.code, code, JSON.stringify(answer.error))
  assert.equal(answer.data, null)
  for (const member of ['message', 'details', 'hint']) assert.ok(member in answer.error, member)
  if (status !== undefined) assert.equal(answer.status, status)
  return answer.error
}

/** Runs everything and prints the closing line. */
export async function finish() {
  let failed = 0
  for (const { name, run } of checks) {
    try {
      await run()
    } catch (error) {
      failed += 1
      console.log(`FAILED ${name}\n    ${String(error.stack ?? error).split('\n').slice(0, 12).join('\n    ')}`)
    }
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
