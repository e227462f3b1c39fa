-- name: value
select value from meta where name = :name
-- name: keep_value
insert into meta (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value

-- name: login_by_cookie
select sid, user_id, auth_time, last_seen from logins where cookie = :cookie
-- name: login
select sid, user_id, auth_time, last_seen from logins where sid = :sid
-- name: add_login
insert into logins (sid, cookie, user_id, auth_time, last_seen) values (:sid, :cookie, :user_id, :now, :now)
-- name: renew_login
update logins set auth_time = :now, last_seen = :now where sid = :sid
-- name: touch_login
update logins set last_seen = :now where sid = :sid
-- name: remove_login
delete from logins where sid = :sid
-- name: logins_of_user
select sid, user_id, auth_time, last_seen from logins where user_id = :user_id

-- name: consent
select scopes from consents where user_id = :user_id and client_id = :client_id
-- name: keep_consent
insert into consents (user_id, client_id, scopes) values (:user_id, :client_id, :scopes)
on conflict (user_id, client_id) do update set scopes = excluded.scopes
-- name: remove_consent
delete from consents where user_id = :user_id and client_id = :client_id

-- name: add_code
insert into codes (hash, client_id, user_id, sid, login_sid, redirect_uri, scope, nonce, code_challenge, auth_time, expires_at)
values (:hash, :client_id, :user_id, :sid, :login_sid, :redirect_uri, :scope, :nonce, :code_challenge, :auth_time, :expires_at)
-- name: code
select client_id, user_id, sid, login_sid, redirect_uri, scope, nonce, code_challenge, auth_time, expires_at, used
from codes where hash = :hash
-- name: use_code
update codes set used = 1 where hash = :hash and used = 0

-- name: add_grant
insert into grants (sid, client_id, user_id, scope, offline, auth_time, created_at, last_used)
values (:sid, :client_id, :user_id, :scope, :offline, :auth_time, :now, :now)
returning id
-- name: grant_of_token
select g.id, g.sid, g.client_id, g.user_id, g.scope, g.offline, g.auth_time, g.generation, g.last_used, g.ended,
       t.generation as token_generation, t.uses
from refresh_tokens t join grants g on g.id = t.grant_id where t.jti = :jti
-- name: grant_of_session
select id, sid, client_id, user_id, scope, offline, auth_time, generation, last_used, ended
from grants where sid = :sid and client_id = :client_id order by id desc limit 1
-- name: live_session
select 1 from grants where sid = :sid and client_id = :client_id and ended = '' limit 1
-- name: use_grant
update grants set generation = max(generation, :generation), refreshes = refreshes + 1, reuses = reuses + :reuse, last_used = :now
where id = :id
-- name: end_session
update grants set ended = :ended where sid = :sid and client_id = :client_id and ended = ''
-- name: end_online_session
update grants set ended = :ended where sid = :sid and client_id = :client_id and offline = 0 and ended = ''
-- name: end_login
update grants set ended = :ended where sid = :sid and offline = 0 and ended = ''
-- name: end_grants_of_client
update grants set ended = :ended where user_id = :user_id and client_id = :client_id and ended = ''
-- name: all_grants
select id, sid, client_id, user_id, scope, offline, generation, refreshes, reuses, created_at, last_used, ended from grants order by id

-- name: add_refresh_token
insert into refresh_tokens (jti, grant_id, generation) values (:jti, :grant_id, :generation)
-- name: spend_refresh_token
update refresh_tokens set uses = uses + 1 where jti = :jti
-- name: forget_older_refresh_tokens
delete from refresh_tokens where grant_id = :grant_id and generation < :generation - 1

-- name: revoke_access_token
insert into revoked_access_tokens (jti, expires_at) values (:jti, :expires_at) on conflict (jti) do nothing
-- name: revoked_access_token
select 1 from revoked_access_tokens where jti = :jti

-- name: user
select enabled from users where user_id = :user_id
-- name: keep_user
insert into users (user_id, enabled) values (:user_id, :enabled) on conflict (user_id) do update set enabled = excluded.enabled
-- name: forget_users
delete from users

-- name: client_secret
select secret from client_secrets where client_id = :client_id
-- name: keep_client_secret
insert into client_secrets (client_id, secret) values (:client_id, :secret)
on conflict (client_id) do update set secret = excluded.secret
-- name: forget_client_secrets
delete from client_secrets

-- name: add_device
insert into devices (hash, user_code, client_id, scope, nonce, code_challenge, interval, expires_at, polled_at, decision, user_id, login_sid)
values (:hash, :user_code, :client_id, :scope, :nonce, :code_challenge, :interval, :expires_at, :polled_at, :decision, :user_id, :login_sid)
-- name: device
select user_code, client_id, scope, nonce, code_challenge, interval, expires_at, polled_at, decision, user_id, login_sid
from devices where hash = :hash
-- name: device_by_user_code
select user_code, client_id, scope, nonce, code_challenge, interval, expires_at, polled_at, decision, user_id, login_sid
from devices where user_code = :user_code and expires_at > :now
-- name: decide_device
update devices set decision = :decision, user_id = :user_id, login_sid = :login_sid
where user_code = :user_code and decision = '' and expires_at > :now
-- name: poll_device
update devices set polled_at = :now, interval = interval + :more where hash = :hash
-- name: use_device
update devices set decision = 'used' where hash = :hash and decision = 'approved'

-- name: sweep_devices
delete from devices where expires_at < :long_ago
-- name: sweep_codes
delete from codes where expires_at < :long_ago
-- name: sweep_logins
delete from logins where auth_time < :long_ago
-- name: sweep_revoked_access_tokens
delete from revoked_access_tokens where expires_at < :now
-- name: sweep_grants
delete from grants where ended <> '' and last_used < :long_ago
