-- Fingerprints tell causes apart that they took for one: quoted words and JSON count. New ones have 12 digits; those of older Pitons
-- have 16, and are renewed by piton.renew_fingerprints, a few hundred at a time.

alter table piton.dead_letters
    drop constraint dead_letters_fingerprint_check,
    add constraint dead_letters_fingerprint_check check (fingerprint ~ '^[0-9a-f]{12}([0-9a-f]{4})?$') not valid;
comment on column piton.dead_letters.fingerprint is 'Groups failures of one cause: a digest over the class and the words of the message, without numbers, ids, times and addresses. 12 digits; 16 where an older Piton wrote it.';

-- functions: 7ebe37081345d442496043d12cfa1b27a78d66bf7c38f67f0579f2be5fa37580
