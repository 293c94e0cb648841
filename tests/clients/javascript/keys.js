// supabase-js against examples/climbing with API keys, as it sends them by itself: in `apikey`, and as Bearer while nobody is
// signed in. GYM_URL, GYM_PUBLISHABLE and GYM_SECRET (keys), GYM_MINA (a climber's token).
import assert from 'node:assert/strict'
import { createClient } from '@supabase/supabase-js'
import { check, finish, ok, refused } from './check.js'

const { GYM_URL, GYM_PUBLISHABLE, GYM_SECRET, GYM_MINA } = process.env
const settings = { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } }
const visitor = createClient(GYM_URL, GYM_PUBLISHABLE, settings)
const mina = createClient(GYM_URL, GYM_PUBLISHABLE, { accessToken: async () => GYM_MINA })
const service = createClient(GYM_URL, GYM_SECRET, settings)
const stranger = createClient(GYM_URL, GYM_PUBLISHABLE.replace(/.$/, (last) => (last === '0' ? '1' : '0')), settings)
const count = async (client) => ok(await client.from('climbs').select('id')).length

check('a publishable key is a visitor', async () => {
  const climbs = ok(await visitor.from('climbs').select('sent, route(grade)'), 200)
  assert.ok(climbs.length > 15 && climbs.every((climb) => climb.sent && climb.route.grade))
})

check('a publishable key may do no more than a visitor', async () => {
  refused(await visitor.from('climbs').insert({ name: 'nobody', route_id: 1 }), '42501', 401)
})

check('whoever is signed in is somebody with it', async () => {
  assert.ok((await count(mina)) > (await count(visitor)))
})

check('a secret key sees everything', async () => {
  assert.ok((await count(service)) > (await count(mina)))
})

check('a mistyped key is nobody', async () => {
  refused(await stranger.from('climbs').select(), 'PANDO401', 401)
})

await finish()
