import { EventTopic } from './events.ts'
import { Table } from './table.ts'

/** The topics of a program: one type per table's value and per event. */
export interface Registry {
  tables: object
  events: object
}

/** A program's topics, made on first use, typed by one registry. */
export class Bus<R extends Registry> {
  readonly #tables = new Map<string, Table<unknown>>()
  readonly #events = new Map<string, EventTopic<unknown>>()

  table<N extends keyof R['tables'] & string>(name: N): Table<R['tables'][N]> {
    let table = this.#tables.get(name)
    if (table === undefined) {
      table = new Table(name)
      this.#tables.set(name, table)
    }
    return table as Table<R['tables'][N]>
  }

  events<N extends keyof R['events'] & string>(name: N): EventTopic<R['events'][N]> {
    let topic = this.#events.get(name)
    if (topic === undefined) {
      topic = new EventTopic(name)
      this.#events.set(name, topic)
    }
    return topic as EventTopic<R['events'][N]>
  }
}
