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
      climbs: {
        Row: {
          attempts: number
          climbed_at: string
          climber: string
          details: Json
          id: number
          name: string
          route_id: number
          sent: boolean
        }
        Insert: {
          attempts?: number
          climbed_at?: string
          climber?: string
          details?: Json
          id?: number
          name: string
          route_id: number
          sent?: boolean
        }
        Update: {
          attempts?: number
          climbed_at?: string
          climber?: string
          details?: Json
          id?: number
          name?: string
          route_id?: number
          sent?: boolean
        }
        Relationships: [
          {
            foreignKeyName: "climbs_route_id_fkey"
            columns: ["route_id"]
            isOneToOne: false
            referencedRelation: "board"
            referencedColumns: ["route_id"]
          },
          {
            foreignKeyName: "climbs_route_id_fkey"
            columns: ["route_id"]
            isOneToOne: false
            referencedRelation: "route"
            referencedColumns: ["id"]
          },
        ]
      }
      route: {
        Row: {
          colour: string
          grade: Database["public"]["Enums"]["grade"]
          id: number
          metres: number
          name: string
          retired: boolean
          set_on: string
          setter_id: number
          wall: string
        }
        Insert: {
          colour: string
          grade: Database["public"]["Enums"]["grade"]
          id?: number
          metres: number
          name: string
          retired?: boolean
          set_on: string
          setter_id: number
          wall: string
        }
        Update: {
          colour?: string
          grade?: Database["public"]["Enums"]["grade"]
          id?: number
          metres?: number
          name?: string
          retired?: boolean
          set_on?: string
          setter_id?: number
          wall?: string
        }
        Relationships: [
          {
            foreignKeyName: "route_setter_id_fkey"
            columns: ["setter_id"]
            isOneToOne: false
            referencedRelation: "setter"
            referencedColumns: ["id"]
          },
        ]
      }
      setter: {
        Row: {
          bio: string | null
          id: number
          name: string
          since: string
        }
        Insert: {
          bio?: string | null
          id?: number
          name: string
          since: string
        }
        Update: {
          bio?: string | null
          id?: number
          name?: string
          since?: string
        }
        Relationships: []
      }
    }
    Views: {
      board: {
        Row: {
          grade: Database["public"]["Enums"]["grade"] | null
          name: string | null
          route_id: number | null
          tries: number | null
        }
        Relationships: []
      }
    }
    Functions: {
      [_ in never]: never
    }
    Enums: {
      grade: "4a" | "4b" | "4c" | "5a" | "5b" | "5c" | "6a" | "6a+" | "6b" | "6b+" | "6c" | "6c+" | "7a" | "7a+" | "7b" | "7b+" | "7c" | "7c+" | "8a"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

type SchemaOption = { schema: keyof DatabaseWithoutInternals }

type SchemaOf<Option> = Option extends SchemaOption ? DatabaseWithoutInternals[Option["schema"]] : DefaultSchema

/** The names that may follow `{ schema: … }`; none after a name. */
type NameIn<Option, Names> = Option extends SchemaOption ? Names : never

/** The name that was given: the only argument, or the one after `{ schema: … }`. */
type NameOf<Option, Name> = Option extends SchemaOption ? Name : Option

type RelationsOf<Option> = SchemaOf<Option>["Tables"] & SchemaOf<Option>["Views"]

/** A row of a table or view as it is read. */
export type Tables<
  Option extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"]) | SchemaOption,
  Name extends NameIn<Option, keyof RelationsOf<Option>> = never,
> = RelationsOf<Option>[NameOf<Option, Name> & keyof RelationsOf<Option>] extends { Row: infer Row } ? Row : never

/** A row of a table as it is inserted. */
export type TablesInsert<
  Option extends keyof DefaultSchema["Tables"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["Tables"]> = never,
> = SchemaOf<Option>["Tables"][NameOf<Option, Name> & keyof SchemaOf<Option>["Tables"]] extends { Insert: infer Insert }
  ? Insert
  : never

/** The changes of a row of a table. */
export type TablesUpdate<
  Option extends keyof DefaultSchema["Tables"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["Tables"]> = never,
> = SchemaOf<Option>["Tables"][NameOf<Option, Name> & keyof SchemaOf<Option>["Tables"]] extends { Update: infer Update }
  ? Update
  : never

/** The labels of an enumeration. */
export type Enums<
  Option extends keyof DefaultSchema["Enums"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["Enums"]> = never,
> = SchemaOf<Option>["Enums"][NameOf<Option, Name> & keyof SchemaOf<Option>["Enums"]]

/** The members of a composite type. */
export type CompositeTypes<
  Option extends keyof DefaultSchema["CompositeTypes"] | SchemaOption,
  Name extends NameIn<Option, keyof SchemaOf<Option>["CompositeTypes"]> = never,
> = SchemaOf<Option>["CompositeTypes"][NameOf<Option, Name> & keyof SchemaOf<Option>["CompositeTypes"]]

export const Constants = {
  public: {
    Enums: {
      grade: ["4a", "4b", "4c", "5a", "5b", "5c", "6a", "6a+", "6b", "6b+", "6c", "6c+", "7a", "7a+", "7b", "7b+", "7c", "7c+", "8a"],
    },
  },
} as const
