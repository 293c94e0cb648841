-- Where Pando keeps what is its own. Nobody but the owner of the database gets in, and api.schemas cannot name it.
comment on schema pando is 'What Pando keeps for itself; it is never served.';
