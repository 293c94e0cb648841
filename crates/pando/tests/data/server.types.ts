export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  // Tells createClient<Database>() which features of the dialect there are
  __InternalSupabase: {
    PostgrestVersion: "14"
  }
  public: {
    Tables: {
      desks: {
        Row: {
          at: Database["public"]["CompositeTypes"]["place"]
          code: string | null
          id: number
        }
        Insert: {
          at: Database["public"]["CompositeTypes"]["place"]
          code?: string | null
          id?: never
        }
        Update: {
          at?: Database["public"]["CompositeTypes"]["place"]
          code?: string | null
          id?: never
        }
        Relationships: []
      }
      parcels: {
        Row: {
          desk: number | null
          during: unknown | null
          grid: number[] | null
          home: Database["public"]["CompositeTypes"]["place"] | null
          id: number
          kilos: number | null
          states: Database["public"]["Enums"]["state"][] | null
          tags: string[]
          words: unknown | null
        }
        Insert: {
          desk?: number | null
          during?: unknown | null
          grid?: number[] | null
          home?: Database["public"]["CompositeTypes"]["place"] | null
          id: number
          kilos?: number | null
          states?: Database["public"]["Enums"]["state"][] | null
          tags?: string[]
          words?: unknown | null
        }
        Update: {
          desk?: number | null
          during?: unknown | null
          grid?: number[] | null
          home?: Database["public"]["CompositeTypes"]["place"] | null
          id?: number
          kilos?: number | null
          states?: Database["public"]["Enums"]["state"][] | null
          tags?: string[]
          words?: unknown | null
        }
        Relationships: [
          {
            foreignKeyName: "parcels_desk_fkey"
            columns: ["desk"]
            isOneToOne: true
            referencedRelation: "desks"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      counts: {
        Row: {
          desk: number | null
          parcels: number | null
        }
        Relationships: [
          {
            foreignKeyName: "parcels_desk_fkey"
            columns: ["desk"]
            isOneToOne: true
            referencedRelation: "desks"
            referencedColumns: ["id"]
          },
        ]
      }
      heavy: {
        Row: {
          id: number | null
          kilos: number | null
        }
        Insert: {
          id?: number | null
          kilos?: number | null
        }
        Update: {
          id?: number | null
          kilos?: number | null
        }
        Relationships: []
      }
    }
    Functions: {
      add: { Args: { a: number; b?: number }; Returns: number }
      found: { Args: { tag: string }; Returns: { id: number; tags: string[]; states: Database["public"]["Enums"]["state"][] | null; grid: number[] | null; home: Database["public"]["CompositeTypes"]["place"] | null; kilos: number | null; during: unknown | null; desk: number | null; words: unknown | null }[]; SetofOptions: { from: "*"; to: "parcels"; isOneToOne: false; isSetofReturn: true } }
      home: { Args: { id: number }; Returns: Database["public"]["CompositeTypes"]["place"] }
      nothing: { Args: never; Returns: undefined }
      sums: { Args: { numbers: number[] }; Returns: { n: number; total: number }[] }
    }
    Enums: {
      state: "new" | "it's done"
    }
    CompositeTypes: {
      place: {
        street: string | null
        floor: number | null
        marks: Database["public"]["Enums"]["state"][] | null
      }
    }
  }
