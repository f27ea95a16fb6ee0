-- After a recovery a passkey signs in alone only once it has followed the new password.

ALTER TABLE passkeys ADD COLUMN needs_password boolean NOT NULL DEFAULT false;
