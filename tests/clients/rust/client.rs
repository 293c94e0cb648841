include!(concat!(env!("POSTGREST_TESTS"), "/client.rs"));
