// supabase-js against examples/climbing, the way an application uses it.
// GYM_URL, GYM_KEY (a token of the role anon), GYM_MINA and GYM_LEO (two climbers), GYM_SERVICE (service_role).
// ENGINE: postgresql or sqlite.
import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { check, finish, ok, refused } from './check.js'

const { ENGINE, GYM_URL, GYM_KEY, GYM_MINA, GYM_LEO, GYM_SERVICE } = process.env
const MINA = '11111111-1111-4111-8111-111111111111'
const settings = { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } }
const visitor = createClient(GYM_URL, GYM_KEY, settings)
const signedIn = (token) => createClient(GYM_URL, GYM_KEY, { accessToken: async () => token })
const mina = signedIn(GYM_MINA)
const leo = signedIn(GYM_LEO)
const service = createClient(GYM_URL, GYM_SERVICE, settings)
const names = (rows) => rows.map((row) => row.name)

// Reading ------------------------------------------------------------------------------------------------------------

check('the call of the documentation', async () => {
  const climbs = ok(await visitor.from('climbs').select('*, route(*)'), 200)
  assert.ok(climbs.length > 15)
  assert.ok(climbs.every((climb) => climb.sent && climb.route.id === climb.route_id))
})

check('a list with who set the route', async () => {
  const climbs = ok(
    await visitor
      .from('climbs')
      .select('id, name, route(grade, setter(name))')
      .is('sent', true)
      .order('id', { ascending: false })
      .limit(10),
  )
  assert.equal(climbs.length, 10)
  assert.deepEqual(climbs[0], { id: 30, name: 'With the kids', route: { grade: '7a+', setter: { name: 'Davit Beridze' } } })
})

check('enum values compare in their declared order', async () => {
  const routes = ok(
    await visitor.from('route').select('name, grade').gte('grade', '6c').eq('retired', false).order('grade', { ascending: false }),
  )
  assert.deepEqual(routes.map((route) => route.grade), ['8a', '7b+', '7a+', '7a', '6c+', '6c'])
})

check('numeric and date columns keep their form', async () => {
  const route = ok(await visitor.from('route').select('metres, set_on').eq('name', 'Bat Hang').single())
  assert.deepEqual(route, { metres: 14.5, set_on: '2026-06-02' })
})

check('a view', async () => {
  const board = ok(await visitor.from('board').select().order('tries', { ascending: false }).order('name').limit(2))
  assert.deepEqual(board.map(({ name, tries }) => [name, tries]), [['Dead Point Society', 5], ['Gorilla Tax', 3]])
})

check('a to-many embed with a filter, an order and a limit inside', async () => {
  const setters = ok(
    await visitor
      .from('setter')
      .select('name, route(name, metres)')
      .eq('route.retired', false)
      .order('name')
      .order('name', { referencedTable: 'route', ascending: false })
      .limit(2, { referencedTable: 'route' }),
  )
  assert.deepEqual(setters[3], {
    name: 'Davit Beridze',
    route: [{ name: 'Grandmaster', metres: 14.5 }, { name: 'Endless Summer', metres: 14.5 }],
  })
})

check('an inner embed keeps only rows that have one', async () => {
  const setters = ok(await visitor.from('setter').select('name, route!inner(name)').eq('route.wall', 'Roof'))
  assert.deepEqual(names(setters), ['Davit Beridze'])
})

check('a filter on a nested embed', async () => {
  const climbs = ok(
    await visitor.from('climbs').select('id, route!inner(name, setter!inner(name))').eq('route.setter.name', 'Chiara Rossi').order('id'),
  )
  assert.ok(climbs.length > 3 && climbs.every((climb) => climb.route.setter.name === 'Chiara Rossi'))
})

check('a spread flattens what is embedded', async () => {
  const climb = ok(await visitor.from('climbs').select('name, ...route(route:name, ...setter(setter:name))').eq('id', 2).single())
  assert.deepEqual(climb, { name: 'Second go', route: 'Paper Feet', setter: 'Ana Duarte' })
})

check('aliases for columns and embeds', async () => {
  const climb = ok(await visitor.from('climbs').select('title:name, on:route(difficulty:grade)').eq('id', 1).single())
  assert.deepEqual(climb, { title: 'Warm-up', on: { difficulty: '4a' } })
})

check('JSON paths in select and filter', async () => {
  const climbs = ok(await visitor.from('climbs').select('id, shoes:details->>shoes').eq('details->>shoes', 'slippers').order('id').limit(2))
  assert.deepEqual(climbs, [{ id: 7, shoes: 'slippers' }, { id: 10, shoes: 'slippers' }])
})

check('an operator that only PostgreSQL has answers there, and is refused with an alternative elsewhere', async () => {
  const answer = await visitor.from('climbs').select('id').contains('details', { shoes: 'lace' }).order('id')
  if (ENGINE === 'postgresql') return assert.deepEqual(ok(answer), [{ id: 3 }, { id: 6 }, { id: 12 }, { id: 15 }, { id: 30 }])
  const error = refused(answer, '0A000', 400)
  assert.match(error.hint, /PostgreSQL/)
})

check('aggregates with grouping', async () => {
  const walls = ok(await visitor.from('route').select('wall, count(), metres.max()').eq('retired', false).order('wall'))
  assert.deepEqual(walls[0], { wall: 'Arete', count: 3, max: 11.0 })
})

check('an aggregate inside an embed', async () => {
  const routes = ok(await visitor.from('route').select('name, climbs(count())').eq('id', 3).single())
  assert.deepEqual(routes, { name: 'Glass Ladder', climbs: [{ count: 2 }] })
})

// Filters ------------------------------------------------------------------------------------------------------------

const filters = {
  eq: [(q) => q.eq('wall', 'Roof'), ['Bat Hang', 'Endless Summer', 'Grandmaster']],
  neq: [(q) => q.neq('wall', 'Slab').eq('retired', true), ['Rainy Day']],
  gt: [(q) => q.gt('metres', 12).lt('grade', '7a'), ['Bat Hang']],
  lte: [(q) => q.lte('grade', '5a'), ['Left of Centre', 'Morning Coffee', 'Rainy Day']],
  like: [(q) => q.like('name', '%er'), ['Glass Ladder', 'Grandmaster', 'Endless Summer'].sort()],
  ilike: [(q) => q.ilike('name', 'g%'), ['Glass Ladder', 'Gorilla Tax', 'Grandmaster']],
  likeAnyOf: [(q) => q.likeAnyOf('name', ['Bat%', '%Tax']), ['Bat Hang', 'Gorilla Tax']],
  ilikeAllOf: [(q) => q.ilikeAllOf('name', ['g%', '%r']), ['Glass Ladder', 'Grandmaster']],
  regexMatch: [(q) => q.regexMatch('name', '^(Bat|Old) '), ['Bat Hang', 'Old Friend']],
  is: [(q) => q.is('retired', true), ['Old Friend', 'Rainy Day']],
  in: [(q) => q.in('grade', ['4a', '8a']), ['Grandmaster', 'Morning Coffee']],
  not: [(q) => q.not('wall', 'in', '(Slab,Overhang,Roof)'), ['Left of Centre', 'Quiet Crux', 'Sharp Practice']],
  or: [(q) => q.or('grade.eq.4a,and(wall.eq.Roof,grade.gt.7a)'), ['Endless Summer', 'Grandmaster', 'Morning Coffee']],
  match: [(q) => q.match({ wall: 'Arete', colour: 'grey' }), ['Sharp Practice']],
  filter: [(q) => q.filter('set_on', 'gte', '2026-06-20'), ['Dead Point Society', 'Sharp Practice']],
  isDistinct: [(q) => q.isDistinct('wall', 'Slab').eq('setter_id', 4).eq('retired', false), ['Bat Hang', 'Endless Summer', 'Grandmaster']],
}
for (const [name, [filter, expected]] of Object.entries(filters)) {
  check(`filter ${name}`, async () => {
    assert.deepEqual(names(ok(await filter(visitor.from('route').select('name')).order('name'))), expected)
  })
}

check('or on an embedded table', async () => {
  const setters = ok(
    await visitor.from('setter').select('name, route!inner(name)').or('grade.eq.8a,grade.eq.4a', { referencedTable: 'route' }).order('name'),
  )
  assert.deepEqual(names(setters), ['Ana Duarte', 'Davit Beridze'])
})

// Pages and counts ---------------------------------------------------------------------------------------------------

check('pages by range with an exact count', async () => {
  const answer = await visitor.from('route').select('id', { count: 'exact' }).order('id').range(10, 19)
  assert.deepEqual(ok(answer, 206), [{ id: 11 }, { id: 12 }, { id: 13 }, { id: 14 }])
  assert.equal(answer.count, 14)
})

check('a count without rows', async () => {
  const answer = await visitor.from('climbs').select('*', { count: 'exact', head: true })
  assert.deepEqual([answer.status, answer.data, answer.count], [200, null, 21])
})

check('planned and estimated counts are numbers', async () => {
  for (const count of ['planned', 'estimated']) {
    const answer = await visitor.from('setter').select('id', { count })
    ok(answer)
    assert.equal(typeof answer.count, 'number', count)
  }
})

check('a page beyond the end is refused when it is counted', async () => {
  refused(await visitor.from('setter').select('id', { count: 'exact' }).range(10, 19), 'PGRST103', 416)
})

check('order with nulls first and last', async () => {
  const bios = async (nullsFirst) => ok(await visitor.from('setter').select('bio').order('bio', { nullsFirst })).map((row) => row.bio)
  assert.equal((await bios(true))[0], null)
  assert.equal((await bios(false))[3], null)
})

check('order by a column of the embedded row', async () => {
  const routes = ok(await visitor.from('route').select('name, setter(name)').order('setter(name)', { ascending: false }).order('id').limit(1))
  assert.equal(routes[0].setter.name, 'Davit Beridze')
})

// One row ------------------------------------------------------------------------------------------------------------

check('single', async () => {
  assert.deepEqual(ok(await visitor.from('setter').select('name').eq('id', 1).single()), { name: 'Ana Duarte' })
})

check('single of none and of many', async () => {
  refused(await visitor.from('setter').select().eq('id', 99).single(), 'PGRST116', 406)
  const error = refused(await visitor.from('setter').select().single(), 'PGRST116', 406)
  assert.match(error.details, /4 rows/)
})

check('maybeSingle', async () => {
  assert.equal(ok(await visitor.from('setter').select().eq('id', 99).maybeSingle()), null)
  assert.equal(ok(await visitor.from('setter').select('id').eq('id', 2).maybeSingle()).id, 2)
  refused(await visitor.from('setter').select().maybeSingle(), 'PGRST116')
})

check('CSV', async () => {
  const text = ok(await visitor.from('setter').select('id, name').order('id').limit(2).csv())
  assert.equal(text, 'id,name\n1,"Ana Duarte"\n2,"Ben Okafor"')
})

check('stripped nulls', async () => {
  const chiara = ok(await visitor.from('setter').select('name, bio').eq('id', 3).stripNulls().single())
  assert.deepEqual(chiara, { name: 'Chiara Rossi' })
})

// Rights -------------------------------------------------------------------------------------------------------------

check('visitors see what was sent, climbers their own too', async () => {
  const count = async (client) => (await client.from('climbs').select('*', { count: 'exact', head: true })).count
  assert.deepEqual(await Promise.all([visitor, mina, leo, service].map(count)), [21, 25, 23, 30])
})

check('rows that must not be seen are not in embeds and counts either', async () => {
  const seen = async (client) => ok(await client.from('route').select('climbs(sent)').eq('id', 6).single()).climbs
  assert.equal((await seen(visitor)).filter((climb) => !climb.sent).length, 0)
  assert.equal((await seen(leo)).filter((climb) => !climb.sent).length, 2)
  const counted = ok(await visitor.from('route').select('climbs(count())').eq('id', 6).single())
  assert.deepEqual(counted.climbs, [{ count: (await seen(visitor)).length }])
})

check('a visitor may not write', async () => {
  const error = refused(await visitor.from('climbs').insert({ name: 'x', route_id: 1 }), '42501', 401)
  assert.match(error.message, /permission denied for table climbs/)
})

let own
check('a climber logs a climb, and the defaults fill the rest', async () => {
  const [climb] = ok(await mina.from('climbs').insert({ name: 'Evening lap', route_id: 5, attempts: 2 }).select(), 201)
  assert.equal(climb.climber, MINA)
  assert.deepEqual([climb.sent, climb.attempts, climb.details], [false, 2, {}])
  assert.match(climb.climbed_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/)
  own = climb.id
})

check('nobody else sees it', async () => {
  assert.deepEqual(ok(await visitor.from('climbs').select().eq('id', own)), [])
  assert.deepEqual(ok(await leo.from('climbs').select().eq('id', own)), [])
  assert.equal(ok(await mina.from('climbs').select('name').eq('id', own).single()).name, 'Evening lap')
})

check('nobody else changes or deletes it', async () => {
  assert.deepEqual(ok(await leo.from('climbs').update({ name: 'mine' }).eq('id', own).select()), [])
  assert.deepEqual(ok(await leo.from('climbs').delete().eq('id', own).select()), [])
})

check('a column without a grant cannot be written', async () => {
  refused(await mina.from('climbs').insert({ name: 'x', route_id: 1, climber: MINA }), '42501', 403)
  refused(await mina.from('climbs').update({ route_id: 2 }).eq('id', own), '42501', 403)
})

check('its climber changes it', async () => {
  const climb = ok(
    await mina.from('climbs').update({ sent: true, details: { shoes: 'lace', weather: null } }).eq('id', own).select('sent, details, route(name)').single(),
    200,
  )
  assert.deepEqual(climb, { sent: true, details: { shoes: 'lace', weather: null }, route: { name: 'Gorilla Tax' } })
  assert.equal(ok(await visitor.from('climbs').select('id').eq('id', own)).length, 1)
})

check('its climber deletes it', async () => {
  const answer = await mina.from('climbs').delete({ count: 'exact' }).eq('id', own)
  ok(answer, 204)
  assert.equal(answer.count, 1)
})

check('a row that the policy forbids is refused', async () => {
  const client = signedIn(GYM_MINA)
  const error = refused(await service.from('climbs').insert({ name: 'x', route_id: 1, climber: null }), '23502')
  assert.match(error.message, /climber/)
  ok(await client.from('climbs').select('id').limit(1))
})

check('a check that fails', async () => {
  const error = refused(await mina.from('climbs').insert({ name: 'x', route_id: 1, attempts: 100 }), '23514', 400)
  assert.match(error.message, /climbs_attempts_check/)
})

check('a foreign key that fails', async () => {
  const error = refused(await mina.from('climbs').insert({ name: 'x', route_id: 999 }), '23503', 409)
  assert.match(error.message, /foreign key/)
})

check('a unique constraint that fails', async () => {
  refused(await service.from('setter').insert({ name: 'Ana Duarte', since: '2026-01-01' }), '23505', 409)
})

check('a value of the wrong type', async () => {
  refused(await visitor.from('route').select().eq('id', 'seven'), '22P02', 400)
  refused(await visitor.from('route').select().eq('grade', '9z'), '22P02', 400)
})

check('unknown tables, columns and relationships', async () => {
  const error = refused(await visitor.from('climb').select(), 'PGRST205', 404)
  assert.match(error.hint ?? '', /climbs/)
  refused(await visitor.from('route').select('name, height'), '42703', 400)
  refused(await visitor.from('setter').select('name, climbs(id)'), 'PGRST200', 400)
})

check('a token that is no token', async () => {
  refused(await signedIn('nonsense').from('route').select(), 'PGRST301', 401)
})

check('a token for one request by setHeader', async () => {
  const rows = ok(await visitor.from('climbs').select('id').eq('sent', false).setHeader('Authorization', `Bearer ${GYM_MINA}`))
  assert.equal(rows.length, 4)
})

// Writing as the service ---------------------------------------------------------------------------------------------

check('insert many, with the keys that each brings', async () => {
  const setters = ok(
    await service.from('setter').insert([{ name: 'Eli', since: '2026-08-01' }, { name: 'Fay', since: '2026-08-02', bio: 'New' }], { defaultToNull: false }).select('name, bio'),
    201,
  )
  assert.deepEqual(setters, [{ name: 'Eli', bio: null }, { name: 'Fay', bio: 'New' }])
})

check('upsert merges and ignores', async () => {
  const merged = await service.from('setter').upsert({ name: 'Eli', since: '2026-08-03', bio: 'Back again' }, { onConflict: 'name' }).select('bio, since').single()
  assert.deepEqual(ok(merged), { bio: 'Back again', since: '2026-08-03' })
  const ignored = await service
    .from('setter')
    .upsert([{ name: 'Eli', since: '2000-01-01' }, { name: 'Gus', since: '2026-08-04' }], { onConflict: 'name', ignoreDuplicates: true })
    .select('name')
  assert.deepEqual(names(ok(ignored)), ['Gus'])
})

check('a bulk update and its count', async () => {
  const answer = await service.from('setter').update({ bio: 'Guest' }, { count: 'exact' }).in('name', ['Eli', 'Fay', 'Gus'])
  ok(answer, 204)
  assert.equal(answer.count, 3)
})

check('maxAffected undoes what is too much', async () => {
  refused(await service.from('setter').delete().eq('bio', 'Guest').maxAffected(2), 'PGRST124', 400)
  assert.equal(ok(await service.from('setter').select('id').eq('bio', 'Guest')).length, 3)
})

check('delete gives what was deleted', async () => {
  const gone = ok(await service.from('setter').delete().eq('bio', 'Guest').select('name').order('name'), 200)
  assert.deepEqual(names(gone), ['Eli', 'Fay', 'Gus'])
})

check('a row that others hold on to stays', async () => {
  refused(await service.from('setter').delete().eq('id', 1), '23503', 409)
})

// The rest -----------------------------------------------------------------------------------------------------------

check('functions do not exist yet, and the error says so', async () => {
  refused(await visitor.rpc('add_up', { a: 1, b: 2 }), 'PGRST202', 404)
})

check('another schema is refused', async () => {
  refused(await visitor.schema('private').from('route').select(), 'PGRST106', 406)
  ok(await visitor.schema('public').from('route').select('id').limit(1))
})

check('throwOnError throws', async () => {
  await assert.rejects(async () => await visitor.from('nothing').select().throwOnError(), { code: 'PGRST205' })
  const { data } = await visitor.from('setter').select('id').eq('id', 1).throwOnError()
  assert.deepEqual(data, [{ id: 1 }])
})

check('an aborted request', async () => {
  const abort = new AbortController()
  abort.abort()
  const { error, data } = await visitor.from('route').select().abortSignal(abort.signal)
  assert.equal(data, null)
  assert.match(error.message, /abort/i)
})

check('twenty requests at once', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => mina.from('route').select('id').eq('id', (n % 14) + 1).single()))
  assert.deepEqual(answers.map((answer) => ok(answer).id), Array.from({ length: 20 }, (_, n) => (n % 14) + 1))
})

await finish()
