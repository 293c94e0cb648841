// The types that `pando types ts` makes of the corpus's schema and functions: odd names, generated columns, keys of several columns,
// one-to-one and many-to-many relationships. Only compiled.
import { createClient } from '@supabase/supabase-js'
import type { Database, Enums, Json, Tables, TablesInsert, TablesUpdate } from './couriers.types.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Flat<T> = T extends (infer Item)[] ? Flat<Item>[] : T extends object ? { [Key in keyof T]: Flat<T[Key]> } : T

const client = createClient<Database>('http://127.0.0.1', 'key')

export async function relationships(): Promise<true[]> {
  const { data: licences } = await client.from('couriers').select('name, courier_licences(class), vans(plate)')
  const oneToOne: Same<
    Flat<typeof licences>,
    { name: string; courier_licences: { class: number } | null; vans: { plate: string } | null }[] | null
  > = true
  const { data: zones } = await client.from('couriers').select('id, zones(code, priority)')
  const manyToMany: Same<Flat<typeof zones>, { id: number; zones: { code: string; priority: number }[] }[] | null> = true
  const { data: hints } = await client.from('parcels').select('id, depots!parcels_to_depot_fkey(code)')
  const hinted: Same<Flat<typeof hints>, { id: number; depots: { code: string } | null }[] | null> = true
  const { data: scans } = await client.from('scans').select('place, legs(distance_km)')
  const composite: Same<Flat<typeof scans>, { place: string | null; legs: { distance_km: number | null } }[] | null> = true
  const { data: view } = await client.from('open_parcels').select('barcode, customers(tier)')
  const fromView: Same<
    Flat<typeof view>,
    { barcode: string | null; customers: { tier: Enums<'customer_tier'> } | null }[] | null
  > = true
  return [oneToOne, manyToMany, hinted, composite, fromView]
}

export async function functions(): Promise<true[]> {
  const { data: sum } = await client.rpc('add_up', { a: 1 })
  const scalar: Same<typeof sum, number | null> = true
  const { data: hello } = await client.rpc('greet')
  const without: Same<typeof hello, string | null> = true
  const { data: depots } = await client.rpc('depots_in', { town: 'x' }).select('code, couriers(name)')
  const rows: Same<Flat<typeof depots>, { code: string; couriers: { name: string }[] }[] | null> = true
  const { data: stats } = await client.rpc('parcel_stats', { min_kg: 1 })
  const table: Same<Flat<typeof stats>, { state: Enums<'parcel_state'>; parcels: number; kg: number }[] | null> = true
  const { data: nothing } = await client.rpc('nothing_at_all')
  const none: Same<typeof nothing, undefined | null> = true
  const { data: one } = await client.rpc('describe', { id: 1 })
  const { data: two } = await client.rpc('describe', { id: 1, unit: 'm' })
  const overloads: Same<[typeof one, typeof two], [string | null, string | null]> = true
  const { data: loud } = await client.rpc('Shout It', { 'Loud Word': 'x' })
  const quoted: Same<typeof loud, string | null> = true
  return [scalar, without, rows, table, none, overloads, quoted]
}

export const lost: TablesInsert<'Lost & Found'> = { 'Item No': 1, Größe: 'L', 'a.b': null, 'depot-id': 2 }
export const parcel: TablesInsert<'parcels'> = { barcode: 'x', customer_id: 'y', from_depot_id: 1, weight_kg: 0.5 }
export const json: Same<Tables<'settings'>['value'], Json | null> = true
export const state: Enums<'parcel_state'> = 'in_transit'

// @ts-expect-error a generated column takes no value
export const computed: TablesInsert<'parcels'> = { ...parcel, volume_cm3: 5 }
// @ts-expect-error nor does it in an update
export const changed: TablesUpdate<'parcels'> = { volume_cm3: 5 }
// @ts-expect-error the key has two columns
export const leg: TablesInsert<'legs'> = { parcel_id: 1 }
// @ts-expect-error no label
export const wrong: Enums<'parcel_state'> = 'eaten'
// @ts-expect-error not null
export const none: TablesUpdate<'zones'> = { title: null }
