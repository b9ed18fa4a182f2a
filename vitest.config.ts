import { defineConfig } from 'vitest/config'

// Three layers (DESIGN.md, "Tests"): unit tests are pure and parallel; functional tests use the real kernel in
// throw-away namespaces and real peers; e2e tests run whole labs, one file after the other.
export default defineConfig({
  test: {
    reporters: process.env['CI'] ? ['default', 'json'] : ['default'],
    outputFile: { json: 'node_modules/.cache/margay/vitest.json' },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'charts/**/*.test.ts'],
          exclude: ['**/*.fn.test.ts', '**/node_modules/**'],
          testTimeout: 15_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'functional',
          include: ['packages/*/test/**/*.fn.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['e2e/**/*.e2e.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
