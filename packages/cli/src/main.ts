/** `margay`: one entry point for people and for every process. */
import { runCommandLine } from './command-line.ts'

await runCommandLine(process.argv)
