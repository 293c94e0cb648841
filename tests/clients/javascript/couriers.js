// postgrest-js against the schema of the conformance corpus (tests/conformance/corpus/schema.sql), at the root.
// COURIERS_URL, COURIERS_USER1 and COURIERS_USER2 (role authenticated), COURIERS_SERVICE (service_role). ENGINE: postgresql or sqlite.
import assert from 'node:assert/strict'
import { PostgrestClient, PostgrestError } from '@supabase/postgrest-js'
import { check, finish, ok, refused } from './check.js'

const { ENGINE, COURIERS_URL, COURIERS_USER1, COURIERS_USER2, COURIERS_SERVICE } = process.env
const as = (token) => new PostgrestClient(COURIERS_URL, { headers: token ? { Authorization: `Bearer ${token}` } : {} })
const api = as()
const user1 = as(COURIERS_USER1)
const user2 = as(COURIERS_USER2)
const service = as(COURIERS_SERVICE)

// Embedding ----------------------------------------------------------------------------------------------------------

check('to-one by the name of the table', async () => {
  const courier = ok(await api.from('couriers').select('name, depots(code)').eq('id', 4).single())
  assert.deepEqual(courier, { name: 'Dirk "Dash" Jansen', depots: { code: 'RTM' } })
})

check('to-one that is null', async () => {
  assert.deepEqual(ok(await api.from('couriers').select('depots(code)').eq('id', 9).single()), { depots: null })
})

check('one-to-one from both sides', async () => {
  const courier = ok(await api.from('couriers').select('courier_licences(class), vans(plate)').eq('id', 7).single())
  assert.deepEqual(courier, { courier_licences: { class: 2 }, vans: { plate: 'KC-03-C' } })
  const licence = ok(await api.from('courier_licences').select('couriers(name)').eq('courier_id', 3).single())
  assert.equal(licence.couriers.name, "Chloé O'Neil")
})

check('two foreign keys to one table need a hint', async () => {
  const error = refused(await api.from('parcels').select('id, depots(code)').limit(1), 'PGRST201', 300)
  assert.equal(error.details.length, 2)
  assert.match(error.hint, /parcels_from_depot_fkey/)
})

check('hints by constraint and by column, with aliases', async () => {
  const parcel = ok(
    await api.from('parcels').select('id, from:depots!parcels_from_depot_fkey(code), to:depots!to_depot_id(code)').eq('id', 1).single(),
  )
  assert.deepEqual(parcel, { id: 1, from: { code: 'HUB' }, to: { code: 'TYO' } })
})

check('many-to-many through the join table', async () => {
  const courier = ok(await api.from('couriers').select('name, zones(code)').eq('id', 3).order('code', { referencedTable: 'zones' }).single())
  assert.deepEqual(courier.zones, [{ code: 'E' }, { code: 'S' }, { code: 'W' }])
})

check('the join table itself, with its own columns', async () => {
  const courier = ok(
    await api.from('couriers').select('courier_zones(share, zones(title))').eq('id', 7).order('zone_code', { referencedTable: 'courier_zones' }).single(),
  )
  assert.deepEqual(courier.courier_zones, [
    { share: 80, zones: { title: 'Centre, old town' } },
    { share: 20, zones: { title: 'East' } },
  ])
})

check('a table embedded in itself, down and up', async () => {
  const hub = ok(await api.from('depots').select('code, depots(code)').eq('id', 1).order('code', { referencedTable: 'depots' }).single())
  assert.deepEqual(hub.depots.map((depot) => depot.code), ['AMS', 'EIN', 'RTM'])
  const amsterdam = ok(await api.from('depots').select('code, parent_id(code)').eq('id', 2).single())
  assert.deepEqual(amsterdam, { code: 'AMS', parent_id: { code: 'HUB' } })
})

check('a composite foreign key', async () => {
  const scan = ok(await api.from('scans').select('legs(leg_no, couriers(name))').eq('id', 1).single())
  assert.deepEqual(scan, { legs: { leg_no: 2, couriers: { name: 'Anna Bakker' } } })
})

check('four levels deep', async () => {
  const parcel = ok(
    await api.from('parcels').select('id, customers(name), legs(leg_no, scans(place), couriers(name, depots(code)))').eq('id', 1).order('leg_no', { referencedTable: 'legs' }).single(),
  )
  assert.deepEqual(parcel.legs[0].couriers, { name: "Chloé O'Neil", depots: { code: 'AMS' } })
  assert.deepEqual(parcel.legs[1].scans.map((scan) => scan.place).sort(), ['Dock A', 'Yard, gate 3'])
})

check('inner, and a filter on what is embedded', async () => {
  const depots = ok(await api.from('depots').select('code, couriers!inner(name)').ilike('couriers.name', 'karel%').order('id', { referencedTable: 'couriers' }))
  assert.deepEqual(depots, [{ code: 'AMS', couriers: [{ name: 'Karel King' }, { name: 'karel king' }] }])
})

check('rows without an embedded one', async () => {
  const depots = ok(await api.from('depots').select('code, couriers()').is('couriers', null).order('code'))
  assert.deepEqual(depots.map((depot) => depot.code), ['FLY', 'GRQ', 'NIL', 'OLD'])
})

check('a spread of to-one and of to-many', async () => {
  assert.deepEqual(ok(await api.from('vans').select('plate, ...couriers(name)').eq('plate', 'KC-01-A').single()), { plate: 'KC-01-A', name: 'Anna Bakker' })
  const depot = ok(await api.from('depots').select('code, ...couriers(names:name)').eq('id', 1).order('id', { referencedTable: 'couriers' }).single())
  assert.deepEqual(depot, { code: 'HUB', names: ['Anna Bakker', 'Jo'] })
})

check('a view is embedded like a table', async () => {
  const parcel = ok(await api.from('open_parcels').select('id, customers(name)').order('id').limit(1).single())
  assert.equal(typeof parcel.customers.name, 'string')
})

check('columns beside an embed of many', async () => {
  const customers = ok(await api.from('customers').select('name, parcels(count())').order('name').limit(1))
  assert.equal(typeof customers[0].parcels[0].count, 'number')
})

// Values -------------------------------------------------------------------------------------------------------------

check('casts and JSON paths', async () => {
  const courier = ok(await api.from('couriers').select('rate::text, cargo:skills->bike->cargo, first:skills->languages->>0').eq('id', 3).single())
  assert.deepEqual(courier, { rate: '19.99', cargo: true, first: 'fr' })
})

check('bigint beyond 2^53 as text', async () => {
  assert.deepEqual(ok(await api.from('vans').select('mileage::text').eq('plate', 'KC-02-B').single()), { mileage: '9007199254740993' })
})

check('a decimal is stored as written', async () => {
  const made = ok(await api.from('invoices').insert({ customer_id: '00000001-0000-4000-8000-000000000001', number: 'JS-1', total: '12345678.90', issued_on: '2026-01-31' }).select('total::text').single())
  assert.equal(made.total, '12345678.90')
  ok(await api.from('invoices').delete().eq('number', 'JS-1'), 204)
})

check('a timestamp with a zone is told in UTC', async () => {
  assert.deepEqual(ok(await api.from('samples').select('ts').eq('id', 4).single()), { ts: '2024-06-30T10:00:00+00:00' })
})

check('names that need quoting', async () => {
  const found = ok(await api.from('Lost & Found').select('"Item No", Größe, select, camelCase, "a.b"').eq('Item No', 1).single())
  assert.deepEqual(found, { 'Item No': 1, Größe: 'groß', select: 'umbrella', camelCase: true, 'a.b': 'dot' })
})

check('values with commas, quotes and parentheses', async () => {
  const ids = async (names) => ok(await api.from('couriers').select('id').in('name', names).order('id')).map((row) => row.id)
  assert.deepEqual(await ids(['Eva, van Dam', 'Farid (Rid) Aziz', 'Dirk "Dash" Jansen', "Chloé O'Neil", '林 美咲']), [3, 4, 5, 6, 8])
})

check('like with its wildcards escaped', async () => {
  assert.deepEqual(ok(await api.from('customers').select('name').like('name', '100\\% Wool\\_%')), [{ name: '100% Wool_Works*' }])
})

check('is null, is true, is unknown', async () => {
  const names = async (value) => ok(await api.from('customers').select('name').is('vip', value)).length
  assert.deepEqual([await names(null), await names(true), await names(false)], [2, 3, 3])
})

check('a nested logic tree, and its negation', async () => {
  const ids = (answer) => ok(answer).map((row) => row.id)
  assert.deepEqual(ids(await api.from('depots').select('id').or('id.eq.1,and(id.gt.3,id.lt.6)').order('id')), [1, 4, 5])
  assert.deepEqual(ids(await api.from('depots').select('id').or('not.and(id.gt.1,id.lt.10),id.eq.5').order('id')), [1, 5, 10])
})

check('grouping by columns of the row and of the embedded row', async () => {
  const groups = ok(await api.from('couriers').select('active, count(), depots(city)').not('depot_id', 'is', null))
  const amsterdam = groups.filter((group) => group.depots.city === 'Amsterdam')
  assert.deepEqual(amsterdam, [{ active: true, count: 4, depots: { city: 'Amsterdam' } }])
})

check('sum, average, minimum and maximum', async () => {
  const [all] = ok(await api.from('tickets').select('prio.sum(), lowest:prio.min(), highest:prio.max(), n:prio.count()'))
  assert.deepEqual(all, { sum: 14, lowest: 1, highest: 5, n: 5 })
})

// Writing ------------------------------------------------------------------------------------------------------------

check('insert without and with the row', async () => {
  const without = await api.from('zones').insert({ code: 'A', title: 'a' })
  assert.deepEqual([without.status, without.data, without.error], [201, null, null])
  assert.deepEqual(ok(await api.from('zones').insert({ code: 'B', title: 'b', priority: 2 }).select(), 201), [{ code: 'B', title: 'b', priority: 2 }])
})

check('rows with different keys: null or default', async () => {
  const rows = [{ body: 'x' }, { body: 'y', status: 'waiting' }]
  refused(await api.from('tickets').insert(rows), '23502')
  const made = ok(await api.from('tickets').insert(rows, { defaultToNull: false }).select('body, status, prio, due_on'))
  assert.deepEqual(made[0], { body: 'x', status: 'open', prio: 3, due_on: '2030-12-31' })
  ok(await api.from('tickets').delete().in('body', ['x', 'y']), 204)
})

check('a count of what was inserted', async () => {
  const answer = await api.from('logbook').insert([{ what: 'js' }, { what: 'js' }], { count: 'exact' })
  ok(answer, 201)
  assert.equal(answer.count, 2)
  ok(await api.from('logbook').delete().eq('what', 'js'))
})

check('upsert by the primary key: 201 for new rows, 200 for known ones', async () => {
  const upsert = (rows) => api.from('zones').upsert(rows).select('code, title')
  assert.deepEqual(ok(await upsert([{ code: 'A', title: 'again' }]), 200), [{ code: 'A', title: 'again' }])
  ok(await upsert([{ code: 'A', title: 'third' }, { code: 'D', title: 'd' }]), 201)
})

check('upsert by another unique column', async () => {
  const row = ok(await api.from('settings').upsert({ key: 'theme', label: 'Theme', revision: 4 }, { onConflict: 'label' }).select('key, revision').single())
  assert.deepEqual(row, { key: 'theme', revision: 4 })
})

check('upsert that ignores duplicates', async () => {
  assert.deepEqual(ok(await api.from('zones').upsert([{ code: 'A', title: 'no' }, { code: 'F', title: 'f' }], { ignoreDuplicates: true }).select('code')), [{ code: 'F' }])
  assert.equal(ok(await api.from('zones').select('title').eq('code', 'A').single()).title, 'third')
})

check('upsert with defaults for what is missing', async () => {
  const rows = ok(await api.from('zones').upsert([{ code: 'A', title: 'q' }, { code: 'G', title: 'g', priority: 7 }], { defaultToNull: false }).select('code, priority').order('code'))
  assert.deepEqual(rows, [{ code: 'A', priority: 5 }, { code: 'G', priority: 7 }])
})

check('update with a filter, a count and an embed in the answer', async () => {
  const answer = await api.from('couriers').update({ nickname: 'Bee' }, { count: 'exact' }).eq('id', 2).select('nickname, depots(code)')
  assert.deepEqual(ok(answer, 200), [{ nickname: 'Bee', depots: { code: 'AMS' } }])
  assert.equal(answer.count, 1)
})

check('update of nothing', async () => {
  assert.deepEqual(ok(await api.from('zones').update({ title: 'x' }).eq('code', 'nope').select(), 200), [])
})

check('update of exactly one, or none of them', async () => {
  refused(await api.from('zones').update({ title: 'x' }).in('code', ['A', 'B']).select().single(), 'PGRST116', 406)
  assert.equal(ok(await api.from('zones').select('title').eq('code', 'B').single()).title, 'b')
})

check('JSON is written and read back', async () => {
  const value = { list: [1, 'two', null, { three: 3 }], text: 'ü"\\', empty: {} }
  assert.deepEqual(ok(await api.from('settings').update({ value }).eq('key', 'empty').select('value').single()).value, value)
  ok(await api.from('settings').update({ value: null }).eq('key', 'empty'))
})

check('rollback leaves nothing', async () => {
  ok(await api.from('zones').insert({ code: 'R', title: 'rolled back' }).select().rollback(), 201)
  assert.deepEqual(ok(await api.from('zones').select().eq('code', 'R')), [])
})

check('maxAffected', async () => {
  refused(await api.from('zones').delete().in('code', ['A', 'B', 'D']).maxAffected(2), 'PGRST124', 400)
  ok(await api.from('zones').delete().in('code', ['A', 'B', 'D', 'F', 'G']).maxAffected(5), 204)
})

check('a generated column is computed, and cannot be written', async () => {
  const made = ok(
    await api.from('parcels').insert({ barcode: 'JS1', customer_id: '00000001-0000-4000-8000-000000000001', from_depot_id: 1, weight_kg: 1.5, length_cm: 2, width_cm: 3, height_cm: 4 }).select('id, volume_cm3, state').single(),
  )
  assert.deepEqual([made.volume_cm3, made.state], [24, 'booked'])
  refused(await api.from('parcels').update({ volume_cm3: 1 }).eq('id', made.id), '428C9', 400)
  ok(await api.from('parcels').delete().eq('id', made.id))
})

check('writing through a view', async () => {
  const made = ok(await service.from('active_couriers').insert({ full_name: 'Zoe', hired_on: '2026-01-01', depot_id: 1 }).select('id, full_name').single(), 201)
  assert.equal(made.full_name, 'Zoe')
  assert.equal(ok(await api.from('couriers').select('name').eq('id', made.id).single()).name, 'Zoe')
  ok(await service.from('active_couriers').delete().eq('id', made.id), 204)
})

check('an unknown column in a body', async () => {
  refused(await api.from('zones').insert({ code: 'Q', title: 'q', colour: 'red' }), 'PGRST204', 400)
})

// Rights -------------------------------------------------------------------------------------------------------------

check('everybody sees their memos and the shared ones', async () => {
  const titles = async (client) => ok(await client.from('memos').select('title').order('id')).map((memo) => memo.title)
  assert.deepEqual(await titles(api), ['Shared rota', 'Menu'])
  assert.deepEqual(await titles(user1), ['Rota', 'Shared rota', 'Menu', 'Ünicode 📝'])
  assert.deepEqual(await titles(user2), ['Shared rota', 'Secret', 'Menu'])
  assert.equal((await titles(service)).length, 5)
})

check('policies that look at another table', async () => {
  const words = ok(await user1.from('memos').select('title, memo_comments(words)').order('id'))
  assert.deepEqual(words[0].memo_comments, [{ words: 'ok' }])
})

check('a memo gets its owner from the token', async () => {
  const memo = ok(await user1.from('memos').insert({ title: 'New' }).select().single(), 201)
  assert.equal(memo.owner_id, '11111111-1111-4111-8111-111111111111')
  assert.deepEqual(ok(await user2.from('memos').delete().eq('id', memo.id).select()), [])
  ok(await user1.from('memos').delete().eq('id', memo.id), 204)
})

check('a memo for somebody else is refused', async () => {
  const error = refused(await user1.from('memos').insert({ title: 'x', owner_id: '22222222-2222-4222-8222-222222222222' }), '42501', 403)
  assert.match(error.message, /row-level security/)
})

check('columns without a grant', async () => {
  refused(await user1.from('payroll').select('salary'), '42501', 403)
  refused(await user1.from('payroll').select(), '42501', 403)
  assert.equal(ok(await user1.from('payroll').select('courier_id, grade').order('courier_id')).length, 4)
  refused(await api.from('payroll').select('grade'), '42501', 401)
})

// The client itself --------------------------------------------------------------------------------------------------

check('errors have four members, and are PostgrestErrors when they are thrown', async () => {
  const { error } = await api.from('nothing').select()
  assert.deepEqual(Object.keys(error).sort(), ['code', 'details', 'hint', 'message'])
  const thrown = await api.from('nothing').select().throwOnError().then(() => null, (error) => error)
  assert.ok(thrown instanceof PostgrestError)
})

check('a malformed select tells the place', async () => {
  const error = refused(await api.from('zones').select('code,(').limit(1), 'PGRST100', 400)
  assert.match(error.message, /line 1, column/)
})

check('a query plan is not available, and the error says so', async () => {
  const answer = await api.from('zones').select().explain()
  assert.equal(answer.status, 406)
  assert.equal(answer.error.code, 'PGRST107')
})

check('geojson is not available, as PostgREST says it without PostGIS', async () => {
  const code = ENGINE === 'postgresql' ? '42883' : 'PGRST107'
  assert.equal((await api.from('zones').select().geojson()).error.code, code)
})

// Functions ----------------------------------------------------------------------------------------------------------

check('a function, by POST and GET, with a default', async () => {
  assert.equal(ok(await api.rpc('add_up', { a: 1 })), 11)
  assert.equal(ok(await api.rpc('add_up', { a: 1, b: 2 }, { get: true })), 3)
  assert.equal(ok(await api.rpc('echo_text', { word: 'a "b", é 🦅' })), 'a "b", é 🦅')
})

check('rows of a function take filters, select, order, embeds and ranges', async () => {
  const depots = api.rpc('depots_in', { town: 'Amsterdam' })
  assert.deepEqual(ok(await depots.gt('id', 5).select('id, code, couriers(name)')), [{ id: 10, code: 'FLY', couriers: [] }])
  const parcels = await api.rpc('all_parcels', {}, { count: 'exact' }).select('id').order('id').range(2, 3)
  assert.deepEqual([parcels.data, parcels.count, parcels.status], [[{ id: 3 }, { id: 4 }], 60, 206])
})

check('one row of a function, and none', async () => {
  assert.equal(ok(await api.rpc('one_depot', { which: 'HUB' })).name, 'Central Hub')
  assert.equal(ok(await api.rpc('one_depot', { which: 'nope' })).name, null)
  assert.equal(ok(await api.rpc('depots_in', { town: 'Utrecht' }).single()).code, 'HUB')
  refused(await api.rpc('depots_in', { town: 'Amsterdam' }).single(), 'PGRST116', 406)
  assert.equal(ok(await api.rpc('depots_in', { town: 'Atlantis' }).maybeSingle()), null)
})

check('only the head of a function', async () => {
  const answer = await api.rpc('all_parcels', undefined, { head: true, count: 'exact' })
  assert.deepEqual([answer.data, answer.count, answer.status], [null, 60, 200])
})

check('a function that writes', async () => {
  const [ticket] = ok(await service.rpc('book_ticket', { words: 'by a function', level: 3 }).select('id, body, prio'))
  assert.deepEqual([ticket.body, ticket.prio], ['by a function', 3])
  refused(await service.rpc('book_ticket', { words: 'x' }, { get: true }), '25006', 405)
  ok(await service.from('tickets').delete().eq('id', ticket.id))
})

check('a function that gives nothing', async () => {
  const answer = await service.rpc('nothing_at_all')
  assert.deepEqual([answer.error, answer.data, answer.status], [null, null, 204])
})

check('who may call a function', async () => {
  refused(await api.rpc('staff_only'), '42501', 401)
  assert.equal(ok(await user1.rpc('staff_only')), 'staff')
})

check('with its owner\'s rights a function sees what its caller does not', async () => {
  assert.equal(ok(await user1.rpc('secret_count')), 5)
  assert.ok(ok(await user1.from('memos').select('id')).length < 5)
})

check('functions that are not there', async () => {
  const error = refused(await api.rpc('add_up', { a: 1, zz: 2 }), 'PGRST202', 404)
  assert.equal(error.hint, 'Perhaps you meant to call the function public.add_up(a, b)')
  refused(await api.rpc('vague', { x: 1 }), 'PGRST203', 300)
  refused(await api.rpc('divide', { a: 1, b: 0 }), '22012', 400)
})

check('schemas', async () => {
  ok(await api.schema('public').from('zones').select('code').limit(1))
  refused(await api.schema('nowhere').from('zones').select(), 'PGRST106', 406)
  refused(await api.schema('nowhere').from('zones').insert({ code: 'Q', title: 'q' }), 'PGRST106', 406)
})

check('the rows afterwards are the rows before', async () => {
  assert.equal(ok(await api.from('zones').select('code')).length, 6)
  assert.equal(ok(await api.from('tickets').select('id')).length, 6)
})

await finish()
