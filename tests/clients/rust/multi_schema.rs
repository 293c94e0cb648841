include!(concat!(env!("POSTGREST_TESTS"), "/multi_schema.rs"));
