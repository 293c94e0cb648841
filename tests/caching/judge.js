// Judges the results of http-cache-tests as its own display does, with what a test depends on, and prints a list of
// {id, kind, result, why}. The one argument is the file that its client wrote.
import { readFileSync } from 'node:fs'
import suites from 'http-cache-tests/tests/index.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'
import { determineTestResult } from 'http-cache-tests/lib/display.mjs'

// The symbols that stand for results there.
const RESULTS = {
  '-': 'untested',
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'optional',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup',
  '⁉️': 'harness',
  '⚪️': 'dependency',
  '↻': 'retry'
}

const results = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const all = [...suites, surrogate]
const judged = all
  .flatMap(suite => suite.tests)
  .filter(test => test.browser_only !== true)
  .map(test => {
    const [, , symbol] = determineTestResult(all, test.id, results)
    const why = results[test.id] === true ? '' : String(results[test.id])
    return { id: test.id, kind: test.kind ?? 'required', result: RESULTS[symbol], why }
  })
console.log(JSON.stringify(judged))
