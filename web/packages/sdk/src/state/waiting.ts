/** Who waits at the door to be let in, as far as we may open it. */

import type { DailyWaitingParticipant } from "../types";

export class WaitingRoom {
  private readonly people = new Map<string, DailyWaitingParticipant>();

  all(): Record<string, DailyWaitingParticipant> {
    return Object.fromEntries([...this.people].map(([id, person]) => [id, { ...person }]));
  }

  /** Whether this is news. */
  add(person: DailyWaitingParticipant): boolean {
    const news = !this.people.has(person.id);
    this.people.set(person.id, person);
    return news;
  }

  remove(id: string): DailyWaitingParticipant | undefined {
    const person = this.people.get(id);
    this.people.delete(id);
    return person;
  }

  /** From now on these wait: who is new, and who is gone. */
  replace(people: DailyWaitingParticipant[]): { added: DailyWaitingParticipant[]; removed: DailyWaitingParticipant[] } {
    const stay = new Set(people.map(({ id }) => id));
    const removed = [...this.people.values()].filter(({ id }) => !stay.has(id));
    for (const { id } of removed) this.people.delete(id);
    return { added: people.filter((person) => this.add(person)), removed };
  }

  clear(): void {
    this.people.clear();
  }
}

/** What the server says of one who waits; it says more than is shown. */
export function waitingOf(wire: unknown): DailyWaitingParticipant {
  const { id, name } = wire as { id: string; name?: string | null };
  return { id, name: name ?? "", awaitingAccess: { level: "full" } };
}
