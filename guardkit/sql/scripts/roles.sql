-- What an agent, and what workers and web processes may do with guardkit's tables on PostgreSQL.
--
-- Run as the owner of the tables, after every `guardkit db upgrade`. It may be run again. Both roles are groups:
-- make a login of each, e.g.   CREATE ROLE claims_agent LOGIN PASSWORD '...' IN ROLE {agent};

BEGIN;

DO $guardkit$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {agent_text}) THEN
        CREATE ROLE {agent} NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {service_text}) THEN
        CREATE ROLE {service} NOLOGIN;
    END IF;
END
$guardkit$;

REVOKE ALL ON {tables} FROM PUBLIC, {agent}, {service};
GRANT USAGE ON SCHEMA {schema} TO {agent}, {service};
GRANT SELECT ON {schema}.gk_alembic_version TO {agent}, {service};

-- The agent: runs, and what it asks.
GRANT SELECT, INSERT, UPDATE ON {schema}.gk_threads TO {agent};
GRANT SELECT, INSERT ON {schema}.gk_turns TO {agent};
GRANT UPDATE (status, no_result, active_seconds, tool_calls, steps, marks) ON {schema}.gk_turns TO {agent};
GRANT SELECT, INSERT ON {schema}.gk_approvals TO {agent};
GRANT UPDATE (state, version, settled_at) ON {schema}.gk_approvals TO {agent};
GRANT SELECT, INSERT ON {schema}.gk_deliveries TO {agent};
GRANT UPDATE (state) ON {schema}.gk_deliveries TO {agent};
GRANT SELECT, INSERT, UPDATE ON {schema}.gk_effects TO {agent};
GRANT SELECT, INSERT ON {schema}.gk_audit TO {agent};
GRANT SELECT, INSERT ON {schema}.gk_audit_heads TO {agent};
GRANT UPDATE (seq, hash) ON {schema}.gk_audit_heads TO {agent};
GRANT SELECT ON {schema}.gk_stops TO {agent};
GRANT SELECT, UPDATE ON {schema}.gk_stop_gate TO {agent}; -- FOR SHARE wants UPDATE
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.gk_checkpoints, {schema}.gk_blobs, {schema}.gk_writes TO {agent};
GRANT SELECT ON {schema}.gk_anomalies TO {agent};
GRANT SELECT, INSERT, DELETE ON {schema}.gk_listings TO {agent}; -- what it asks stands in people's lists
GRANT SELECT ON {schema}.gk_standing TO {agent};
GRANT UPDATE (used, spent) ON {schema}.gk_standing TO {agent}; -- counts down, and neither gives nor revokes
GRANT SELECT ON {schema}.gk_holds TO {agent};
GRANT SELECT, INSERT ON {schema}.gk_sealing TO {agent}; -- whoever comes first
GRANT SELECT, UPDATE ON {schema}.gk_hold_gate TO {agent}; -- FOR SHARE wants UPDATE

-- Workers, web processes and the command line. They too only append to the audit log, and delete neither approvals nor effects.
GRANT SELECT, INSERT, UPDATE ON {schema}.gk_threads, {schema}.gk_turns, {schema}.gk_approvals, {schema}.gk_deliveries,
    {schema}.gk_effects, {schema}.gk_stops, {schema}.gk_stop_gate, {schema}.gk_posts, {schema}.gk_api_tokens,
    {schema}.gk_anomalies, {schema}.gk_reviews, {schema}.gk_standing, {schema}.gk_holds, {schema}.gk_hold_gate TO {service};
GRANT SELECT, INSERT ON {schema}.gk_answers TO {service};
GRANT SELECT, INSERT, UPDATE ON {schema}.gk_sealing TO {service};
GRANT SELECT, INSERT ON {schema}.gk_audit TO {service};
GRANT SELECT, INSERT ON {schema}.gk_audit_heads TO {service};
GRANT UPDATE (seq, hash) ON {schema}.gk_audit_heads TO {service};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.gk_checkpoints, {schema}.gk_blobs, {schema}.gk_writes,
    {schema}.gk_listings, {schema}.gk_contacts, {schema}.gk_taken, {schema}.gk_api_replies, {schema}.gk_watch_cursors,
    {schema}.gk_watch_counts TO {service};

-- What privileges cannot say. Whoever may write decisions is no agent.
CREATE OR REPLACE FUNCTION {schema}.gk_agents_approvals() RETURNS trigger LANGUAGE plpgsql AS $guardkit$
BEGIN
    IF has_column_privilege(current_user, TG_RELID, 'decisions', 'UPDATE') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.state IN ('pending', 'cancelled')
        AND NEW.decisions::pg_catalog.jsonb -> 'value' = '[]' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.version = OLD.version + 1 AND (
        OLD.state = 'pending' AND NEW.state IN ('cancelled', 'expired')
        OR OLD.state = 'approved' AND NEW.state IN ('cancelled', 'expired', 'consumed')) THEN
        RETURN NEW;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'permission denied: an agent asks, cancels and consumes, and decides nothing';
END
$guardkit$;
CREATE OR REPLACE TRIGGER gk_agents BEFORE INSERT OR UPDATE ON {schema}.gk_approvals
    FOR EACH ROW EXECUTE FUNCTION {schema}.gk_agents_approvals();

CREATE OR REPLACE FUNCTION {schema}.gk_agents_effects() RETURNS trigger LANGUAGE plpgsql AS $guardkit$
BEGIN
    IF OLD.state <> 'done'
        OR has_column_privilege(current_user, {approvals_text}, 'decisions', 'UPDATE') THEN
        RETURN NEW;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'permission denied: what is done stays done';
END
$guardkit$;
CREATE OR REPLACE TRIGGER gk_agents BEFORE UPDATE ON {schema}.gk_effects
    FOR EACH ROW EXECUTE FUNCTION {schema}.gk_agents_effects();

-- A standing approval is counted down one by one, never back, never past what was given. This holds for both roles.
CREATE OR REPLACE FUNCTION {schema}.gk_counts_down() RETURNS trigger LANGUAGE plpgsql AS $guardkit$
BEGIN
    IF NEW.id = OLD.id AND NEW.tenant = OLD.tenant AND NEW.uses = OLD.uses
        AND NEW.at_most IS NOT DISTINCT FROM OLD.at_most AND NEW.until = OLD.until AND (
        NEW.used = OLD.used AND NEW.spent = OLD.spent
        OR OLD.revoked_at IS NULL AND NEW.used = OLD.used + 1 AND NEW.used <= NEW.uses
            AND NEW.spent::pg_catalog.numeric >= OLD.spent::pg_catalog.numeric
            AND (NEW.at_most IS NULL OR NEW.spent::pg_catalog.numeric <= NEW.at_most::pg_catalog.numeric)) THEN
        RETURN NEW;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'permission denied: a standing approval is only counted down';
END
$guardkit$;
CREATE OR REPLACE TRIGGER gk_counts_down BEFORE UPDATE ON {schema}.gk_standing
    FOR EACH ROW EXECUTE FUNCTION {schema}.gk_counts_down();

CREATE OR REPLACE FUNCTION {schema}.gk_agents_audit() RETURNS trigger LANGUAGE plpgsql AS $guardkit$
BEGIN
    IF NEW.kind !~ '^(approval\.decided|approval\.refused|approval\.glass_broken|standing\.given|standing\.revoked|review\.|hold\.|person\.|retention\.|stop\.|anomaly\.|api\.|channel\.|database\.)'
        OR has_column_privilege(current_user, {approvals_text}, 'decisions', 'UPDATE') THEN
        RETURN NEW;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'permission denied: an agent does not say what people did';
END
$guardkit$;
CREATE OR REPLACE TRIGGER gk_agents BEFORE INSERT ON {schema}.gk_audit
    FOR EACH ROW EXECUTE FUNCTION {schema}.gk_agents_audit();

-- The head of a chain only moves on, to an entry that is there. This holds for both roles.
CREATE OR REPLACE FUNCTION {schema}.gk_moves_on() RETURNS trigger LANGUAGE plpgsql AS $guardkit$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.seq = 0 THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.seq > OLD.seq AND NEW.tenant = OLD.tenant AND EXISTS (
        SELECT FROM {schema}.gk_audit a WHERE a.tenant = NEW.tenant AND a.seq = NEW.seq AND a.hash = NEW.hash) THEN
        RETURN NEW;
    END IF;
    RAISE insufficient_privilege USING MESSAGE = 'permission denied: the head of an audit chain only moves on';
END
$guardkit$;
CREATE OR REPLACE TRIGGER gk_moves_on BEFORE INSERT OR UPDATE ON {schema}.gk_audit_heads
    FOR EACH ROW EXECUTE FUNCTION {schema}.gk_moves_on();

COMMIT;
