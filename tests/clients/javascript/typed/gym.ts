// supabase-js with the types that `pando types ts` makes of examples/climbing and two functions. Compiled by `tsc --strict`, where every
// `@ts-expect-error` has to be an error, and run against the server, where the rows have to be what the types say.
// GYM_URL, GYM_KEY (a token of the role anon), GYM_MINA (a climber).
import { createClient } from '@supabase/supabase-js'
import { check, finish } from './check.js'
import { Constants } from './gym.types.ts'
import type { Database, Enums, Json, Tables, TablesInsert, TablesUpdate } from './gym.types.ts'

declare const process: { env: Record<string, string | undefined> }

/** Whether two types are the same; a constant of it takes only `true` or only `false`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** A type with its intersections multiplied out, for comparing. */
type Flat<T> = T extends (infer Item)[] ? Flat<Item>[] : T extends object ? { [Key in keyof T]: Flat<T[Key]> } : T

function ok<Data>(answer: { data: Data; error: unknown; status: number }): NonNullable<Data> {
  if (answer.error || answer.data === null || answer.data === undefined) {
    throw new Error(`${answer.status} ${JSON.stringify(answer.error)}`)
  }
  return answer.data
}

function expect(holds: boolean, what: unknown): void {
  if (!holds) throw new Error(JSON.stringify(what))
}

const { GYM_URL = '', GYM_KEY = '', GYM_MINA = '' } = process.env
const visitor = createClient<Database>(GYM_URL, GYM_KEY, { auth: { persistSession: false } })
const mina = createClient<Database>(GYM_URL, GYM_KEY, { accessToken: async () => GYM_MINA })

check('rows have the columns of the table', async () => {
  const climbs = ok(await visitor.from('climbs').select().limit(3))
  const same: Same<Flat<(typeof climbs)[number]>, Tables<'climbs'>> = true
  expect(same && climbs.length === 3, climbs)
  const first: { id: number; name: string; sent: boolean; climbed_at: string; details: Json } = climbs[0]!
  expect(typeof first.id === 'number' && typeof first.climbed_at === 'string' && first.sent, first)
})

check('embeds are typed by their relationship', async () => {
  const climbs = ok(await visitor.from('climbs').select('id, route(grade, setter(name, bio))').limit(1))
  const same: Same<
    Flat<typeof climbs>,
    { id: number; route: { grade: Enums<'grade'>; setter: { name: string; bio: string | null } } }[]
  > = true
  expect(same && typeof climbs[0]!.route.setter.name === 'string', climbs)
  // @ts-expect-error a to-one embed is no list
  climbs[0]!.route.map
  // @ts-expect-error bio may be null
  expect(climbs[0]!.route.setter.bio?.length ?? true, climbs[0]!.route.setter.bio.length !== -1)
})

check('to-many embeds are lists', async () => {
  const setters = ok(await visitor.from('setter').select('name, route(name, metres)').order('name').limit(2))
  const same: Same<Flat<typeof setters>, { name: string; route: { name: string; metres: number }[] }[]> = true
  expect(same && Array.isArray(setters[0]!.route), setters)
})

check('a view may show null', async () => {
  const board = ok(await visitor.from('board').select('name, tries').limit(1))
  const same: Same<Flat<typeof board>, { name: string | null; tries: number | null }[]> = true
  expect(same && typeof board[0]!.tries === 'number', board)
})

check('enumerations are their labels', async () => {
  const labels: readonly Enums<'grade'>[] = Constants.public.Enums.grade
  expect(labels.length === 19 && labels[0] === '4a', labels)
  const hard = ok(await visitor.from('route').select('grade').gte('grade', '7a').eq('retired', false))
  expect(hard.every(({ grade }) => labels.indexOf(grade) >= labels.indexOf('7a')), hard)
  // @ts-expect-error no such grade
  const wrong: Enums<'grade'> = '9z'
  expect(!labels.includes(wrong), wrong)
})

check('what is inserted and changed is typed', async () => {
  const climb: TablesInsert<'climbs'> = { name: 'Typed', route_id: 5, details: { shoes: ['left', null] } }
  const created = ok(await mina.from('climbs').insert(climb).select('id, name, attempts').single())
  const same: Same<Flat<typeof created>, { id: number; name: string; attempts: number }> = true
  expect(same && created.name === 'Typed' && created.attempts === 1, created)
  const changes: TablesUpdate<'climbs'> = { attempts: 2 }
  const changed = ok(await mina.from('climbs').update(changes).eq('id', created.id).select('attempts'))
  expect(changed[0]!.attempts === 2, changed)
  const gone = await mina.from('climbs').delete().eq('id', created.id)
  expect(gone.status === 204, gone)
})

check('what PostgREST 13 brought is offered', async () => {
  const spread = ok(await visitor.from('setter').select('name, ...route(titles:name)').limit(1))
  const same: Same<Flat<typeof spread>, { name: string; titles: string[] }[]> = true
  expect(same && Array.isArray(spread[0]!.titles), spread)
})

check('functions take their arguments and give typed rows', async () => {
  const routes = ok(await visitor.rpc('routes_of', { setter_name: 'Ana Duarte' }).select('name, grade').limit(2))
  const same: Same<Flat<typeof routes>, { name: string; grade: Enums<'grade'> }[]> = true
  expect(same && routes.length === 2, routes)
  const embedded = ok(await visitor.rpc('routes_of', { setter_name: 'Ana Duarte' }).select('setter(name)').limit(1))
  const to_one: Same<Flat<typeof embedded>, { setter: { name: string } }[]> = true
  expect(to_one && embedded[0]!.setter.name === 'Ana Duarte', embedded)
  const metres: number = ok(await visitor.rpc('feet', { metres: 10 }))
  expect(metres === 32.8, metres)
  const whole: number = ok(await visitor.rpc('feet', { metres: 10, factor: 3 }, { get: true }))
  expect(whole === 30, whole)
})

// Never called: these only have to be errors.
export async function refused(): Promise<void> {
  // @ts-expect-error no such table
  await visitor.from('walls').select()
  // @ts-expect-error name is missing
  await mina.from('climbs').insert({ route_id: 5 })
  // @ts-expect-error no such column
  await mina.from('climbs').insert({ name: 'x', route_id: 5, colour: 'red' })
  // @ts-expect-error no number
  await mina.from('climbs').update({ attempts: 'two' })
  // @ts-expect-error no label
  await mina.from('route').update({ grade: '6d' })
  // @ts-expect-error takes no rows
  await mina.from('board').insert({ name: 'x' })
  // @ts-expect-error no such function
  await mina.rpc('nothing')
  // @ts-expect-error no number
  await mina.rpc('feet', { metres: 'ten' }).single()
  // @ts-expect-error no such argument
  await mina.rpc('routes_of', { name: 'Ana Duarte' }).single()
  const { data } = await visitor.from('climbs').select('id, nme')
  // @ts-expect-error no such column
  data![0]!.id.toFixed()
  // @ts-expect-error no such table
  const row: Tables<'walls'> = {}
  // @ts-expect-error no such schema
  const other: Tables<{ schema: 'shop' }, 'climbs'> = {}
  void [row, other]
}

const named: Same<Tables<{ schema: 'public' }, 'route'>, Tables<'route'>> = true
void named

await finish()
