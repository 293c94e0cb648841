// supabase-js signing people in at /auth/v1, the way an application does, with mail caught by a server of the test.
// AUTH_URL, AUTH_KEY (a token of the role anon), AUTH_SERVICE (service_role), AUTH_MAILS (the folder of caught mails),
// ENGINE: postgresql or sqlite.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@supabase/supabase-js'
import { check, finish, ok } from './check.js'

const { AUTH_URL, AUTH_KEY, AUTH_SERVICE, AUTH_MAILS } = process.env
const PASSWORD = 'correct horse battery staple'
const EMAIL = 'mina@example.com'

/** A client of its own, with nothing stored. PKCE needs a place for what it keeps. */
function client(more = {}) {
  const stored = new Map()
  const storage = {
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => void stored.set(name, value),
    removeItem: (name) => void stored.delete(name),
  }
  return createClient(AUTH_URL, AUTH_KEY, {
    auth: { autoRefreshToken: false, detectSessionInUrl: false, persistSession: true, storage, ...more },
  })
}

const service = createClient(AUTH_URL, AUTH_SERVICE, { auth: { persistSession: false, autoRefreshToken: false } })
const wait = (ms) => new Promise((done) => setTimeout(done, ms))
let read = 0

/** The next mail: to whom, its link and its code. */
async function mail() {
  const file = join(AUTH_MAILS, `${String(read + 1).padStart(4, '0')}.eml`)
  for (let tries = 0; !existsSync(file); tries += 1) {
    assert.ok(tries < 500, 'no mail came')
    await wait(10)
  }
  read += 1
  const text = readFileSync(file, 'utf8')
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
  return {
    to: /^To: .*?([^\s<>]+@[^\s<>]+)/m.exec(text)[1],
    link: /^(http\S+)/m.exec(text)?.[1],
    code: /^Code: (\d+)/m.exec(text)?.[1],
  }
}

/** An error of the login with this code. */
function refused(answer, code) {
  assert.ok(answer.error, `expected ${code}, got ${JSON.stringify(answer.data)}`)
  assert.equal(answer.error.code, code, `${answer.error.name}: ${answer.error.message}`)
  return answer.error
}

/** Follows a link as a browser does, as far as to where it leads. */
async function follow(link) {
  const answer = await fetch(link, { redirect: 'manual' })
  assert.equal(answer.status, 303)
  const place = new URL(answer.headers.get('location'))
  return { place, told: new URLSearchParams(place.hash.slice(1)) }
}

// Accounts -----------------------------------------------------------------------------------------------------------

const mina = client()

check('a new account has to be confirmed', async () => {
  const { user, session } = ok(await mina.auth.signUp({ email: EMAIL, password: PASSWORD, options: { data: { nick: 'm' } } }))
  assert.equal(session, null)
  assert.equal(user.email, EMAIL)
  assert.equal(user.user_metadata.nick, 'm')
  refused(await mina.auth.signInWithPassword({ email: EMAIL, password: PASSWORD }), 'email_not_confirmed')
})

check('the link of the mail signs in, once, and leads to the site', async () => {
  const { to, link } = await mail()
  assert.equal(to, EMAIL)
  const { place, told } = await follow(link)
  assert.equal(place.origin, 'http://localhost:3000')
  assert.equal(told.get('type'), 'signup')
  ok(await mina.auth.setSession({ access_token: told.get('access_token'), refresh_token: told.get('refresh_token') }))
  assert.equal(ok(await mina.auth.getUser()).user.email, EMAIL)
  assert.equal((await follow(link)).told.get('error_code'), 'otp_expired')
})

check('a known address looks like a new one', async () => {
  const { user, session } = ok(await client().auth.signUp({ email: EMAIL, password: PASSWORD }))
  assert.equal(session, null)
  assert.notEqual(user.id, ok(await mina.auth.getUser()).user.id)
})

check('a weak password is told why', async () => {
  const answer = await client().auth.signUp({ email: 'weak@example.com', password: 'short' })
  assert.equal(answer.error.name, 'AuthWeakPasswordError')
  assert.deepEqual(answer.error.reasons, ['length'])
})

check('a wrong password and an unknown address look alike', async () => {
  const wrong = refused(await client().auth.signInWithPassword({ email: EMAIL, password: 'wrong wrong' }), 'invalid_credentials')
  const unknown = refused(
    await client().auth.signInWithPassword({ email: 'nobody@example.com', password: PASSWORD }),
    'invalid_credentials',
  )
  assert.deepEqual([wrong.message, wrong.status], [unknown.message, unknown.status])
})

check('signing in with a password', async () => {
  const { user, session } = ok(await mina.auth.signInWithPassword({ email: EMAIL, password: PASSWORD }))
  assert.equal(user.email, EMAIL)
  assert.equal(session.token_type, 'bearer')
  assert.ok(session.expires_at > Date.now() / 1000 + 3500)
})

check('claims are verified by the client itself, with the published keys', async () => {
  const { claims, header } = ok(await mina.auth.getClaims())
  assert.equal(header.alg, 'ES256')
  assert.equal(claims.email, EMAIL)
  assert.equal(claims.role, 'authenticated')
  assert.equal(claims.aal, 'aal1')
  assert.equal(claims.amr[0].method, 'password')
  assert.equal(claims.is_anonymous, false)
})

// Row security -------------------------------------------------------------------------------------------------------

check('rows are the user’s own: auth.uid()', async () => {
  const { user } = ok(await mina.auth.getUser())
  const [climb] = ok(await mina.from('climbs').insert({ name: 'Signed in', route_id: 5, attempts: 2 }).select(), 201)
  assert.equal(climb.climber, user.id)
  assert.equal(ok(await mina.from('climbs').select().eq('id', climb.id)).length, 1)
  assert.equal(ok(await client().from('climbs').select().eq('id', climb.id)).length, 0)
  assert.equal((await client().from('climbs').insert({ name: 'x', route_id: 5 })).status, 401)
})

check('the tables of the login are not served', async () => {
  assert.equal((await service.from('users').select()).status, 404)
  assert.equal((await service.schema('auth').from('users').select()).status, 406)
  assert.equal((await service.schema('pando').from('signing_keys').select()).status, 406)
})

// Sessions -----------------------------------------------------------------------------------------------------------

check('a session is refreshed, and tabs that do it at once get the same', async () => {
  const before = ok(await mina.auth.getSession()).session
  const after = ok(await mina.auth.refreshSession()).session
  assert.notEqual(before.refresh_token, after.refresh_token)
  const tabs = await Promise.all(
    Array.from({ length: 5 }, () => client().auth.refreshSession({ refresh_token: before.refresh_token })),
  )
  for (const tab of tabs) assert.equal(ok(tab).session.refresh_token, after.refresh_token)
  refused(await client().auth.refreshSession({ refresh_token: 'nonsense' }), 'refresh_token_not_found')
})

check('scopes of signing out, which count at once', async () => {
  const tabs = [client(), client(), client()]
  const tokens = []
  for (const tab of tabs) {
    tokens.push(ok(await tab.auth.signInWithPassword({ email: EMAIL, password: PASSWORD })).session.access_token)
  }
  const read = (token) =>
    fetch(`${AUTH_URL}/rest/v1/route?select=id&limit=1`, { headers: { apikey: AUTH_KEY, authorization: `Bearer ${token}` } })
  assert.deepEqual(await Promise.all(tokens.map(async (token) => (await read(token)).status)), [200, 200, 200])
  assert.equal((await tabs[0].auth.signOut({ scope: 'local' })).error, null)
  assert.deepEqual(await Promise.all(tokens.map(async (token) => (await read(token)).status)), [401, 200, 200])
  assert.equal((await tabs[1].auth.signOut({ scope: 'others' })).error, null)
  assert.deepEqual(await Promise.all(tokens.map(async (token) => (await read(token)).status)), [401, 200, 401])
  assert.equal((await tabs[1].auth.signOut()).error, null)
  assert.equal((await read(tokens[1])).status, 401)
  assert.equal((await tabs[2].auth.getUser()).error.name, 'AuthSessionMissingError')
})

// Mail ---------------------------------------------------------------------------------------------------------------

check('a code signs in, once', async () => {
  const tab = client()
  ok(await tab.auth.signInWithOtp({ email: EMAIL }))
  const { code } = await mail()
  refused(await tab.auth.verifyOtp({ email: EMAIL, token: code === '000000' ? '1' : '000000', type: 'email' }), 'otp_expired')
  const { session } = ok(await tab.auth.verifyOtp({ email: EMAIL, token: code, type: 'email' }))
  assert.ok(session.access_token)
  refused(await tab.auth.verifyOtp({ email: EMAIL, token: code, type: 'email' }), 'otp_expired')
})

check('a code makes an account where there is none', async () => {
  const tab = client()
  ok(await tab.auth.signInWithOtp({ email: 'otp@example.com' }))
  const { code } = await mail()
  assert.equal(ok(await tab.auth.verifyOtp({ email: 'otp@example.com', token: code, type: 'email' })).user.email, 'otp@example.com')
})

check('PKCE: the link brings a code, which who began exchanges', async () => {
  const tab = client({ flowType: 'pkce' })
  ok(await tab.auth.signInWithOtp({ email: EMAIL, options: { emailRedirectTo: 'http://localhost:3000/welcome' } }))
  const { link } = await mail()
  const { place, told } = await follow(link)
  assert.equal(place.pathname, '/welcome')
  assert.equal(told.get('access_token'), null)
  const code = place.searchParams.get('code')
  assert.ok((await client({ flowType: 'pkce' }).auth.exchangeCodeForSession(code)).error, 'nobody else')
  assert.equal(ok(await tab.auth.exchangeCodeForSession(code)).user.email, EMAIL)
})

check('a link leads nowhere that is not listed', async () => {
  const tab = client()
  ok(await tab.auth.signInWithOtp({ email: EMAIL, options: { emailRedirectTo: 'https://evil.example/' } }))
  assert.equal((await follow((await mail()).link)).place.origin, 'http://localhost:3000')
})

check('a forgotten password', async () => {
  const tab = client()
  ok(await tab.auth.resetPasswordForEmail(EMAIL))
  ok(await tab.auth.resetPasswordForEmail('nobody@example.com'))
  const { code } = await mail()
  ok(await tab.auth.verifyOtp({ email: EMAIL, token: code, type: 'recovery' }))
  refused(await tab.auth.updateUser({ password: PASSWORD }), 'same_password')
  ok(await tab.auth.updateUser({ password: 'another long password' }))
  refused(await client().auth.signInWithPassword({ email: EMAIL, password: PASSWORD }), 'invalid_credentials')
  ok(await tab.auth.updateUser({ password: PASSWORD }))
  ok(await mina.auth.signInWithPassword({ email: EMAIL, password: PASSWORD }))
})

check('a change of the address needs both', async () => {
  const tab = client()
  ok(await tab.auth.signInWithOtp({ email: 'otp@example.com' }))
  ok(await tab.auth.verifyOtp({ email: 'otp@example.com', token: (await mail()).code, type: 'email' }))
  const { user } = ok(await tab.auth.updateUser({ email: 'new@example.com' }))
  assert.equal(user.new_email, 'new@example.com')
  const letters = [await mail(), await mail()]
  const first = await follow(letters[0].link)
  assert.match(first.told.get('message'), /other email/)
  const answer = ok(await tab.auth.verifyOtp({ email: letters[1].to, token: letters[1].code, type: 'email_change' }))
  assert.equal(answer.user.email, 'new@example.com')
})

check('confirmations are sent again', async () => {
  const tab = client()
  ok(await tab.auth.signUp({ email: 'slow@example.com', password: PASSWORD }))
  const first = await mail()
  ok(await tab.auth.resend({ type: 'signup', email: 'slow@example.com' }))
  const second = await mail()
  assert.equal((await follow(first.link)).told.get('error_code'), 'otp_expired')
  assert.equal(ok(await tab.auth.verifyOtp({ email: 'slow@example.com', token: second.code, type: 'signup' })).user.email, 'slow@example.com')
})

check('a code says that it is still the same person', async () => {
  assert.equal((await mina.auth.reauthenticate()).error, null)
  const { code, link } = await mail()
  assert.equal(link, undefined)
  ok(await mina.auth.updateUser({ password: 'a third long password', nonce: code }))
  ok(await mina.auth.updateUser({ password: PASSWORD }))
})

// Anonymous ----------------------------------------------------------------------------------------------------------

check('an anonymous account becomes a real one', async () => {
  const tab = client()
  const { user } = ok(await tab.auth.signInAnonymously())
  assert.equal(user.is_anonymous, true)
  const [climb] = ok(await tab.from('climbs').insert({ name: 'Anonymous', route_id: 5 }).select())
  assert.equal(climb.climber, user.id)
  ok(await tab.auth.updateUser({ email: 'known@example.com' }))
  const { code } = await mail()
  const { user: known } = ok(await tab.auth.verifyOtp({ email: 'known@example.com', token: code, type: 'email_change' }))
  assert.deepEqual([known.id, known.is_anonymous, known.email], [user.id, false, 'known@example.com'])
})

// Second factors -----------------------------------------------------------------------------------------------------

/** The code of an authenticator app (RFC 6238). */
function totp(secret) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const digest = createHmac('sha1', key).update(counter).digest()
  return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

check('a second factor raises the session', async () => {
  const factor = ok(await mina.auth.mfa.enroll({ factorType: 'totp', friendlyName: 'phone' }))
  assert.match(factor.totp.qr_code, /^data:image\/svg\+xml;utf-8,.*<svg/s)
  const challenge = ok(await mina.auth.mfa.challenge({ factorId: factor.id }))
  const code = totp(factor.totp.secret)
  refused(
    await mina.auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: code === '000000' ? '000001' : '000000' }),
    'mfa_verification_failed',
  )
  ok(await mina.auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code }))
  const levels = ok(await mina.auth.mfa.getAuthenticatorAssuranceLevel())
  assert.deepEqual([levels.currentLevel, levels.nextLevel], ['aal2', 'aal2'])
  assert.equal(levels.currentAuthenticationMethods[0].method, 'totp')
  const again = ok(await mina.auth.mfa.challenge({ factorId: factor.id }))
  refused(await mina.auth.mfa.verify({ factorId: factor.id, challengeId: again.id, code }), 'mfa_verification_failed')
  const factors = ok(await mina.auth.mfa.listFactors())
  assert.equal(factors.totp[0].status, 'verified')
})

check('a new session is not there yet, and may not take the factor away', async () => {
  const tab = client()
  ok(await tab.auth.signInWithPassword({ email: EMAIL, password: PASSWORD }))
  const levels = ok(await tab.auth.mfa.getAuthenticatorAssuranceLevel())
  assert.deepEqual([levels.currentLevel, levels.nextLevel], ['aal1', 'aal2'])
  const [factor] = ok(await tab.auth.mfa.listFactors()).totp
  refused(await tab.auth.mfa.unenroll({ factorId: factor.id }), 'insufficient_aal')
  refused(await tab.auth.updateUser({ password: 'yet another password' }), 'insufficient_aal')
  ok(await mina.auth.mfa.unenroll({ factorId: factor.id }))
})

// Operators ----------------------------------------------------------------------------------------------------------

check('operators make, list, change, ban and remove accounts', async () => {
  const { user } = ok(
    await service.auth.admin.createUser({
      email: 'made@example.com',
      password: PASSWORD,
      email_confirm: true,
      user_metadata: { a: 1 },
      app_metadata: { plan: 'team' },
    }),
  )
  assert.equal(user.app_metadata.plan, 'team')
  const tab = client()
  ok(await tab.auth.signInWithPassword({ email: 'made@example.com', password: PASSWORD }))
  refused(await tab.auth.admin.listUsers(), 'not_admin')
  const page = ok(await service.auth.admin.listUsers({ page: 1, perPage: 2 }))
  assert.equal(page.users.length, 2)
  assert.ok(page.total >= 4 && page.nextPage === 2 && page.lastPage >= 2, JSON.stringify([page.total, page.nextPage, page.lastPage]))
  assert.equal(ok(await service.auth.admin.updateUserById(user.id, { user_metadata: { b: 2 } })).user.user_metadata.b, 2)
  assert.equal(ok(await service.auth.admin.getUserById(user.id)).user.email, 'made@example.com')
  ok(await service.auth.admin.updateUserById(user.id, { ban_duration: '24h' }))
  assert.ok((await tab.auth.getUser()).error)
  refused(await client().auth.signInWithPassword({ email: 'made@example.com', password: PASSWORD }), 'user_banned')
  ok(await service.auth.admin.deleteUser(user.id))
  refused(await service.auth.admin.getUserById(user.id), 'user_not_found')
})

check('operators invite, and make links', async () => {
  assert.ok(ok(await service.auth.admin.inviteUserByEmail('guest@example.com')).user.invited_at)
  assert.equal((await mail()).to, 'guest@example.com')
  const { properties } = ok(await service.auth.admin.generateLink({ type: 'magiclink', email: EMAIL }))
  const tab = client()
  const { user } = ok(await tab.auth.verifyOtp({ token_hash: properties.hashed_token, type: 'magiclink' }))
  assert.equal(user.email, EMAIL)
  const { told } = await follow(ok(await service.auth.admin.generateLink({ type: 'recovery', email: EMAIL })).properties.action_link)
  assert.equal(told.get('type'), 'recovery')
  assert.equal((await service.auth.admin.signOut(told.get('access_token'), 'global')).error, null)
})

check('no mail is left over', async () => {
  assert.equal(readdirSync(AUTH_MAILS).length, read)
})

await finish()
