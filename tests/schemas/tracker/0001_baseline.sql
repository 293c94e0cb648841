-- The schema as it was when migrations began, by pg_dump; its lines for psql are left out.
--
-- PostgreSQL database dump
--




SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: issue_priority; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.issue_priority AS ENUM (
    'lowest',
    'low',
    'medium',
    'high',
    'highest'
);

ALTER TYPE public.issue_priority OWNER TO postgres;

--
-- Name: link_kind; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.link_kind AS ENUM (
    'blocks',
    'duplicates',
    'relates'
);

ALTER TYPE public.link_kind OWNER TO postgres;

--
-- Name: project_key; Type: DOMAIN; Schema: public; Owner: postgres
--

CREATE DOMAIN public.project_key AS text
	CONSTRAINT project_key_shape CHECK ((VALUE ~ '^[A-Z][A-Z0-9]{1,9}$'::text));

ALTER DOMAIN public.project_key OWNER TO postgres;

--
-- Name: count_issues(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.count_issues() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF (TG_OP = 'INSERT') THEN
        UPDATE public.projects SET issue_count = issue_count + 1 WHERE id = NEW.project_id;
    ELSIF (TG_OP = 'DELETE') THEN
        UPDATE public.projects SET issue_count = issue_count - 1 WHERE id = OLD.project_id;
    END IF;
    RETURN NULL;
END;
$$;

ALTER FUNCTION public.count_issues() OWNER TO postgres;

--
-- Name: is_member(integer); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.is_member(p integer) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public'
    AS $$
  SELECT EXISTS (SELECT 1 FROM project_members WHERE project_id = p AND user_id = auth.uid())
$$;

ALTER FUNCTION public.is_member(p integer) OWNER TO postgres;

--
-- Name: number_issue(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.number_issue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
BEGIN
    NEW.number := (SELECT COALESCE(MAX(i.number), 0) + 1 FROM public.issues i WHERE i.project_id = NEW.project_id);
    RETURN NEW;
END;
$$;

ALTER FUNCTION public.number_issue() OWNER TO postgres;

--
-- Name: record_activity(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.record_activity() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
BEGIN
    IF NEW.status_id IS DISTINCT FROM OLD.status_id THEN
        INSERT INTO public.activity (issue_id, actor_id, field, old_value, new_value) VALUES (NEW.id, auth.uid(), 'status', OLD.status_id::text, NEW.status_id::text);
    END IF;
    IF NEW.assignee_id IS DISTINCT FROM OLD.assignee_id THEN
        INSERT INTO public.activity (issue_id, actor_id, field, old_value, new_value) VALUES (NEW.id, auth.uid(), 'assignee', OLD.assignee_id::text, NEW.assignee_id::text);
    END IF;
    RETURN NULL;
END;
$$;

ALTER FUNCTION public.record_activity() OWNER TO postgres;

--
-- Name: touch(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at = CURRENT_TIMESTAMP;
    RETURN NEW;
END;
$$;

ALTER FUNCTION public.touch() OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: activity; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.activity (
    id bigint NOT NULL,
    issue_id bigint NOT NULL,
    actor_id uuid,
    field text NOT NULL,
    old_value text,
    new_value text,
    at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.activity OWNER TO postgres;

--
-- Name: activity_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.activity_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.activity_id_seq OWNER TO postgres;

--
-- Name: activity_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.activity_id_seq OWNED BY public.activity.id;

--
-- Name: api_tokens; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.api_tokens (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    digest text NOT NULL,
    expires_at timestamp with time zone
);

ALTER TABLE public.api_tokens OWNER TO postgres;

--
-- Name: attachments; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.attachments (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    issue_id bigint NOT NULL,
    name text NOT NULL,
    bytes bigint NOT NULL,
    sha256 bytea,
    CONSTRAINT attachments_bytes_check CHECK ((bytes >= 0))
);

ALTER TABLE public.attachments OWNER TO postgres;

--
-- Name: board_columns; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.board_columns (
    board_id integer NOT NULL,
    "position" smallint NOT NULL,
    status_id integer NOT NULL,
    wip_limit smallint
);

ALTER TABLE public.board_columns OWNER TO postgres;

--
-- Name: boards; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.boards (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.boards OWNER TO postgres;

--
-- Name: boards_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.boards_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.boards_id_seq OWNER TO postgres;

--
-- Name: boards_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.boards_id_seq OWNED BY public.boards.id;

--
-- Name: comment_reactions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.comment_reactions (
    comment_id bigint NOT NULL,
    user_id uuid NOT NULL,
    emoji text NOT NULL
);

ALTER TABLE public.comment_reactions OWNER TO postgres;

--
-- Name: comments; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.comments (
    id bigint NOT NULL,
    issue_id bigint NOT NULL,
    author_id uuid,
    body text NOT NULL,
    is_internal boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.comments OWNER TO postgres;

--
-- Name: comments_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.comments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.comments_id_seq OWNER TO postgres;

--
-- Name: comments_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.comments_id_seq OWNED BY public.comments.id;

--
-- Name: components; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.components (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    owner_id uuid
);

ALTER TABLE public.components OWNER TO postgres;

--
-- Name: components_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.components ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.components_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: custom_field_options; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.custom_field_options (
    field_id integer NOT NULL,
    "position" integer NOT NULL,
    label text NOT NULL
);

ALTER TABLE public.custom_field_options OWNER TO postgres;

--
-- Name: custom_field_values; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.custom_field_values (
    issue_id bigint NOT NULL,
    field_id integer NOT NULL,
    value jsonb NOT NULL
);

ALTER TABLE public.custom_field_values OWNER TO postgres;

--
-- Name: custom_fields; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.custom_fields (
    id integer NOT NULL,
    project_id integer,
    name text NOT NULL,
    kind text NOT NULL,
    default_value jsonb
);

ALTER TABLE public.custom_fields OWNER TO postgres;

--
-- Name: custom_fields_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.custom_fields_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.custom_fields_id_seq OWNER TO postgres;

--
-- Name: custom_fields_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.custom_fields_id_seq OWNED BY public.custom_fields.id;

--
-- Name: dashboard_widgets; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.dashboard_widgets (
    id integer NOT NULL,
    dashboard_id integer NOT NULL,
    filter_id integer,
    options jsonb
);

ALTER TABLE public.dashboard_widgets OWNER TO postgres;

--
-- Name: dashboard_widgets_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.dashboard_widgets_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.dashboard_widgets_id_seq OWNER TO postgres;

--
-- Name: dashboard_widgets_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.dashboard_widgets_id_seq OWNED BY public.dashboard_widgets.id;

--
-- Name: dashboards; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.dashboards (
    id integer NOT NULL,
    owner_id uuid NOT NULL,
    title text NOT NULL
);

ALTER TABLE public.dashboards OWNER TO postgres;

--
-- Name: dashboards_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.dashboards_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.dashboards_id_seq OWNER TO postgres;

--
-- Name: dashboards_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.dashboards_id_seq OWNED BY public.dashboards.id;

--
-- Name: issue_components; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.issue_components (
    issue_id bigint NOT NULL,
    component_id integer NOT NULL
);

ALTER TABLE public.issue_components OWNER TO postgres;

--
-- Name: issue_fix_versions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.issue_fix_versions (
    issue_id bigint NOT NULL,
    version_id integer NOT NULL
);

ALTER TABLE public.issue_fix_versions OWNER TO postgres;

--
-- Name: issue_labels; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.issue_labels (
    issue_id bigint NOT NULL,
    label_id integer NOT NULL
);

ALTER TABLE public.issue_labels OWNER TO postgres;

--
-- Name: issue_links; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.issue_links (
    source_id bigint NOT NULL,
    target_id bigint NOT NULL,
    kind public.link_kind NOT NULL,
    CONSTRAINT no_link_to_itself CHECK ((source_id <> target_id))
);

ALTER TABLE public.issue_links OWNER TO postgres;

--
-- Name: issue_types; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.issue_types (
    id smallint NOT NULL,
    name text NOT NULL,
    icon text
);

ALTER TABLE public.issue_types OWNER TO postgres;

--
-- Name: issues; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.issues (
    id bigint NOT NULL,
    project_id integer NOT NULL,
    number integer NOT NULL,
    type_id smallint NOT NULL,
    status_id integer NOT NULL,
    priority public.issue_priority DEFAULT 'medium'::public.issue_priority NOT NULL,
    title text NOT NULL,
    body text,
    reporter_id uuid,
    assignee_id uuid,
    parent_id bigint,
    milestone_id integer,
    estimate numeric(6,2),
    due_on date,
    comment_count integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT issues_estimate_check CHECK ((estimate >= (0)::numeric)),
    CONSTRAINT issues_title_check CHECK ((length(title) <= 255))
);

ALTER TABLE public.issues OWNER TO postgres;

--
-- Name: TABLE issues; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON TABLE public.issues IS 'What is to be done';

--
-- Name: COLUMN issues.number; Type: COMMENT; Schema: public; Owner: postgres
--

COMMENT ON COLUMN public.issues.number IS 'Counts inside of a project';

--
-- Name: issues_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.issues_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.issues_id_seq OWNER TO postgres;

--
-- Name: issues_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.issues_id_seq OWNED BY public.issues.id;

--
-- Name: labels; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.labels (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    colour character(7) DEFAULT '#888888'::bpchar NOT NULL,
    CONSTRAINT labels_colour_check CHECK ((colour ~ '^#[0-9a-f]{6}$'::text))
);

ALTER TABLE public.labels OWNER TO postgres;

--
-- Name: labels_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.labels_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.labels_id_seq OWNER TO postgres;

--
-- Name: labels_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.labels_id_seq OWNED BY public.labels.id;

--
-- Name: milestones; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.milestones (
    id integer NOT NULL,
    project_id integer NOT NULL,
    title text NOT NULL,
    due_on date,
    closed_at timestamp with time zone
);

ALTER TABLE public.milestones OWNER TO postgres;

--
-- Name: milestones_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.milestones ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.milestones_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: notifications; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.notifications (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    issue_id bigint,
    reason text NOT NULL,
    read_at timestamp with time zone
);

ALTER TABLE public.notifications OWNER TO postgres;

--
-- Name: notifications_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.notifications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.notifications_id_seq OWNER TO postgres;

--
-- Name: notifications_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.notifications_id_seq OWNED BY public.notifications.id;

--
-- Name: projects; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.projects (
    id integer NOT NULL,
    organization_id bigint NOT NULL,
    key public.project_key NOT NULL,
    name text NOT NULL,
    description text,
    lead_id uuid,
    workflow_id integer NOT NULL,
    is_public boolean DEFAULT false NOT NULL,
    issue_count integer DEFAULT 0 NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.projects OWNER TO postgres;

--
-- Name: statuses; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.statuses (
    id integer NOT NULL,
    name text NOT NULL,
    category text DEFAULT 'todo'::text NOT NULL,
    "position" integer DEFAULT 0 NOT NULL,
    CONSTRAINT statuses_category_check CHECK ((category = ANY (ARRAY['todo'::text, 'doing'::text, 'done'::text])))
);

ALTER TABLE public.statuses OWNER TO postgres;

--
-- Name: users; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    login character varying(39) NOT NULL,
    email text NOT NULL,
    full_name text,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_login_check CHECK (((login)::text ~ '^[a-z0-9-]+$'::text))
);

ALTER TABLE public.users OWNER TO postgres;

--
-- Name: open_issues; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.open_issues AS
 SELECT i.id,
    (((p.key)::text || '-'::text) || i.number) AS reference,
    i.title,
    s.name AS status,
    i.priority,
    i.assignee_id,
    u.login AS assignee
   FROM (((public.issues i
     JOIN public.projects p ON ((p.id = i.project_id)))
     JOIN public.statuses s ON ((s.id = i.status_id)))
     LEFT JOIN public.users u ON ((u.id = i.assignee_id)))
  WHERE (s.category <> 'done'::text);

ALTER TABLE public.open_issues OWNER TO postgres;

--
-- Name: organizations; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.organizations (
    id bigint NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.organizations OWNER TO postgres;

--
-- Name: organizations_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.organizations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.organizations_id_seq OWNER TO postgres;

--
-- Name: organizations_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.organizations_id_seq OWNED BY public.organizations.id;

--
-- Name: project_members; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.project_members (
    project_id integer NOT NULL,
    user_id uuid NOT NULL,
    role text DEFAULT 'reporter'::text NOT NULL,
    CONSTRAINT known_role CHECK ((role = ANY (ARRAY['admin'::text, 'developer'::text, 'reporter'::text])))
);

ALTER TABLE public.project_members OWNER TO postgres;

--
-- Name: projects_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.projects_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.projects_id_seq OWNER TO postgres;

--
-- Name: projects_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.projects_id_seq OWNED BY public.projects.id;

--
-- Name: saved_filters; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.saved_filters (
    id integer NOT NULL,
    owner_id uuid NOT NULL,
    name text NOT NULL,
    query jsonb NOT NULL,
    is_shared boolean DEFAULT false NOT NULL
);

ALTER TABLE public.saved_filters OWNER TO postgres;

--
-- Name: saved_filters_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.saved_filters_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.saved_filters_id_seq OWNER TO postgres;

--
-- Name: saved_filters_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.saved_filters_id_seq OWNED BY public.saved_filters.id;

--
-- Name: sprint_issues; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.sprint_issues (
    sprint_id integer NOT NULL,
    issue_id bigint NOT NULL,
    rank double precision DEFAULT 0 NOT NULL
);

ALTER TABLE public.sprint_issues OWNER TO postgres;

--
-- Name: sprints; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.sprints (
    id integer NOT NULL,
    board_id integer NOT NULL,
    name text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    days integer GENERATED ALWAYS AS ((ends_on - starts_on)) STORED,
    CONSTRAINT sprint_order CHECK ((ends_on > starts_on))
);

ALTER TABLE public.sprints OWNER TO postgres;

--
-- Name: sprints_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.sprints_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.sprints_id_seq OWNER TO postgres;

--
-- Name: sprints_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.sprints_id_seq OWNED BY public.sprints.id;

--
-- Name: statuses_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.statuses_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.statuses_id_seq OWNER TO postgres;

--
-- Name: statuses_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.statuses_id_seq OWNED BY public.statuses.id;

--
-- Name: team_members; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.team_members (
    team_id integer NOT NULL,
    user_id uuid NOT NULL,
    is_lead boolean DEFAULT false NOT NULL
);

ALTER TABLE public.team_members OWNER TO postgres;

--
-- Name: teams; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.teams (
    id integer NOT NULL,
    organization_id bigint NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.teams OWNER TO postgres;

--
-- Name: teams_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.teams_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.teams_id_seq OWNER TO postgres;

--
-- Name: teams_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.teams_id_seq OWNED BY public.teams.id;

--
-- Name: versions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.versions (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    released_on date
);

ALTER TABLE public.versions OWNER TO postgres;

--
-- Name: versions_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.versions_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.versions_id_seq OWNER TO postgres;

--
-- Name: versions_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.versions_id_seq OWNED BY public.versions.id;

--
-- Name: votes; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.votes (
    issue_id bigint NOT NULL,
    user_id uuid NOT NULL,
    weight smallint DEFAULT 1 NOT NULL
);

ALTER TABLE public.votes OWNER TO postgres;

--
-- Name: watchers; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.watchers (
    issue_id bigint NOT NULL,
    user_id uuid NOT NULL
);

ALTER TABLE public.watchers OWNER TO postgres;

--
-- Name: workflow_transitions; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.workflow_transitions (
    workflow_id integer NOT NULL,
    from_status integer NOT NULL,
    to_status integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT workflow_transitions_check CHECK ((from_status <> to_status))
);

ALTER TABLE public.workflow_transitions OWNER TO postgres;

--
-- Name: workflows; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.workflows (
    id integer NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.workflows OWNER TO postgres;

--
-- Name: workflows_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.workflows_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.workflows_id_seq OWNER TO postgres;

--
-- Name: workflows_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.workflows_id_seq OWNED BY public.workflows.id;

--
-- Name: workload; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.workload AS
 SELECT open_issues.assignee_id,
    open_issues.assignee,
    count(*) AS open,
    count(*) FILTER (WHERE (open_issues.priority >= 'high'::public.issue_priority)) AS urgent
   FROM public.open_issues
  WHERE (open_issues.assignee_id IS NOT NULL)
  GROUP BY open_issues.assignee_id, open_issues.assignee;

ALTER TABLE public.workload OWNER TO postgres;

--
-- Name: worklogs; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.worklogs (
    id bigint NOT NULL,
    issue_id bigint NOT NULL,
    user_id uuid NOT NULL,
    spent interval NOT NULL,
    started_at timestamp with time zone NOT NULL,
    note text
);

ALTER TABLE public.worklogs OWNER TO postgres;

--
-- Name: worklogs_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

CREATE SEQUENCE public.worklogs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE public.worklogs_id_seq OWNER TO postgres;

--
-- Name: worklogs_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: postgres
--

ALTER SEQUENCE public.worklogs_id_seq OWNED BY public.worklogs.id;

--
-- Name: activity id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.activity ALTER COLUMN id SET DEFAULT nextval('public.activity_id_seq'::regclass);

--
-- Name: boards id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.boards ALTER COLUMN id SET DEFAULT nextval('public.boards_id_seq'::regclass);

--
-- Name: comments id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comments ALTER COLUMN id SET DEFAULT nextval('public.comments_id_seq'::regclass);

--
-- Name: custom_fields id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_fields ALTER COLUMN id SET DEFAULT nextval('public.custom_fields_id_seq'::regclass);

--
-- Name: dashboard_widgets id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboard_widgets ALTER COLUMN id SET DEFAULT nextval('public.dashboard_widgets_id_seq'::regclass);

--
-- Name: dashboards id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboards ALTER COLUMN id SET DEFAULT nextval('public.dashboards_id_seq'::regclass);

--
-- Name: issues id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues ALTER COLUMN id SET DEFAULT nextval('public.issues_id_seq'::regclass);

--
-- Name: labels id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.labels ALTER COLUMN id SET DEFAULT nextval('public.labels_id_seq'::regclass);

--
-- Name: notifications id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications ALTER COLUMN id SET DEFAULT nextval('public.notifications_id_seq'::regclass);

--
-- Name: organizations id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.organizations ALTER COLUMN id SET DEFAULT nextval('public.organizations_id_seq'::regclass);

--
-- Name: projects id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.projects ALTER COLUMN id SET DEFAULT nextval('public.projects_id_seq'::regclass);

--
-- Name: saved_filters id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.saved_filters ALTER COLUMN id SET DEFAULT nextval('public.saved_filters_id_seq'::regclass);

--
-- Name: sprints id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.sprints ALTER COLUMN id SET DEFAULT nextval('public.sprints_id_seq'::regclass);

--
-- Name: statuses id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.statuses ALTER COLUMN id SET DEFAULT nextval('public.statuses_id_seq'::regclass);

--
-- Name: teams id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.teams ALTER COLUMN id SET DEFAULT nextval('public.teams_id_seq'::regclass);

--
-- Name: versions id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.versions ALTER COLUMN id SET DEFAULT nextval('public.versions_id_seq'::regclass);

--
-- Name: workflows id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.workflows ALTER COLUMN id SET DEFAULT nextval('public.workflows_id_seq'::regclass);

--
-- Name: worklogs id; Type: DEFAULT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.worklogs ALTER COLUMN id SET DEFAULT nextval('public.worklogs_id_seq'::regclass);

--
-- Data for Name: activity; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: api_tokens; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: attachments; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: board_columns; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: boards; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: comment_reactions; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: comments; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: components; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: custom_field_options; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: custom_field_values; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: custom_fields; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: dashboard_widgets; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: dashboards; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: issue_components; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: issue_fix_versions; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: issue_labels; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: issue_links; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: issue_types; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.issue_types VALUES
	(1, 'Task', 'check'),
	(2, 'Bug', 'bug'),
	(3, 'Story', NULL);

--
-- Data for Name: issues; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: labels; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: milestones; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: notifications; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: organizations; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: project_members; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: projects; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: saved_filters; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: sprint_issues; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: sprints; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: statuses; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.statuses VALUES
	(1, 'Open', 'todo', 1),
	(2, 'In progress', 'doing', 2),
	(3, 'Done', 'done', 3);

--
-- Data for Name: team_members; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: teams; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: versions; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: votes; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: watchers; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Data for Name: workflow_transitions; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.workflow_transitions VALUES
	(1, 1, 2, 'Start'),
	(1, 2, 3, 'Finish'),
	(1, 3, 1, 'Reopen');

--
-- Data for Name: workflows; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.workflows VALUES
	(1, 'Simple');

--
-- Data for Name: worklogs; Type: TABLE DATA; Schema: public; Owner: postgres
--

--
-- Name: activity_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.activity_id_seq', 1, false);

--
-- Name: boards_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.boards_id_seq', 1, false);

--
-- Name: comments_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.comments_id_seq', 1, false);

--
-- Name: components_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.components_id_seq', 1, false);

--
-- Name: custom_fields_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.custom_fields_id_seq', 1, false);

--
-- Name: dashboard_widgets_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.dashboard_widgets_id_seq', 1, false);

--
-- Name: dashboards_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.dashboards_id_seq', 1, false);

--
-- Name: issues_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.issues_id_seq', 1, false);

--
-- Name: labels_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.labels_id_seq', 1, false);

--
-- Name: milestones_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.milestones_id_seq', 1, false);

--
-- Name: notifications_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.notifications_id_seq', 1, false);

--
-- Name: organizations_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.organizations_id_seq', 1, false);

--
-- Name: projects_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.projects_id_seq', 1, false);

--
-- Name: saved_filters_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.saved_filters_id_seq', 1, false);

--
-- Name: sprints_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.sprints_id_seq', 1, false);

--
-- Name: statuses_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.statuses_id_seq', 3, true);

--
-- Name: teams_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.teams_id_seq', 1, false);

--
-- Name: versions_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.versions_id_seq', 1, false);

--
-- Name: workflows_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.workflows_id_seq', 1, true);

--
-- Name: worklogs_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.worklogs_id_seq', 1, false);

--
-- Name: activity activity_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.activity
    ADD CONSTRAINT activity_pkey PRIMARY KEY (id);

--
-- Name: api_tokens api_tokens_digest_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_digest_key UNIQUE (digest);

--
-- Name: api_tokens api_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (id);

--
-- Name: attachments attachments_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT attachments_pkey PRIMARY KEY (id);

--
-- Name: board_columns board_columns_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.board_columns
    ADD CONSTRAINT board_columns_pkey PRIMARY KEY (board_id, "position");

--
-- Name: boards boards_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.boards
    ADD CONSTRAINT boards_pkey PRIMARY KEY (id);

--
-- Name: comment_reactions comment_reactions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comment_reactions
    ADD CONSTRAINT comment_reactions_pkey PRIMARY KEY (comment_id, user_id, emoji);

--
-- Name: comments comments_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_pkey PRIMARY KEY (id);

--
-- Name: components components_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_pkey PRIMARY KEY (id);

--
-- Name: components components_project_id_name_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_project_id_name_key UNIQUE (project_id, name);

--
-- Name: custom_field_options custom_field_options_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_field_options
    ADD CONSTRAINT custom_field_options_pkey PRIMARY KEY (field_id, "position");

--
-- Name: custom_field_values custom_field_values_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_field_values
    ADD CONSTRAINT custom_field_values_pkey PRIMARY KEY (issue_id, field_id);

--
-- Name: custom_fields custom_fields_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_fields
    ADD CONSTRAINT custom_fields_pkey PRIMARY KEY (id);

--
-- Name: dashboard_widgets dashboard_widgets_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboard_widgets
    ADD CONSTRAINT dashboard_widgets_pkey PRIMARY KEY (id);

--
-- Name: dashboards dashboards_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboards
    ADD CONSTRAINT dashboards_pkey PRIMARY KEY (id);

--
-- Name: issue_components issue_components_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_components
    ADD CONSTRAINT issue_components_pkey PRIMARY KEY (issue_id, component_id);

--
-- Name: issue_fix_versions issue_fix_versions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_fix_versions
    ADD CONSTRAINT issue_fix_versions_pkey PRIMARY KEY (issue_id, version_id);

--
-- Name: issue_labels issue_labels_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_labels
    ADD CONSTRAINT issue_labels_pkey PRIMARY KEY (issue_id, label_id);

--
-- Name: issue_links issue_links_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_links
    ADD CONSTRAINT issue_links_pkey PRIMARY KEY (source_id, target_id, kind);

--
-- Name: issue_types issue_types_name_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_types
    ADD CONSTRAINT issue_types_name_key UNIQUE (name);

--
-- Name: issue_types issue_types_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_types
    ADD CONSTRAINT issue_types_pkey PRIMARY KEY (id);

--
-- Name: issues issues_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_pkey PRIMARY KEY (id);

--
-- Name: issues issues_project_number; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_project_number UNIQUE (project_id, number);

--
-- Name: labels labels_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_pkey PRIMARY KEY (id);

--
-- Name: labels labels_project_id_name_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_project_id_name_key UNIQUE (project_id, name);

--
-- Name: milestones milestones_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.milestones
    ADD CONSTRAINT milestones_pkey PRIMARY KEY (id);

--
-- Name: notifications notifications_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);

--
-- Name: organizations organizations_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);

--
-- Name: project_members project_members_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.project_members
    ADD CONSTRAINT project_members_pkey PRIMARY KEY (project_id, user_id);

--
-- Name: projects projects_key_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_key_key UNIQUE (key);

--
-- Name: projects projects_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (id);

--
-- Name: saved_filters saved_filters_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.saved_filters
    ADD CONSTRAINT saved_filters_pkey PRIMARY KEY (id);

--
-- Name: sprint_issues sprint_issues_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.sprint_issues
    ADD CONSTRAINT sprint_issues_pkey PRIMARY KEY (sprint_id, issue_id);

--
-- Name: sprints sprints_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.sprints
    ADD CONSTRAINT sprints_pkey PRIMARY KEY (id);

--
-- Name: statuses statuses_name_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.statuses
    ADD CONSTRAINT statuses_name_key UNIQUE (name);

--
-- Name: statuses statuses_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.statuses
    ADD CONSTRAINT statuses_pkey PRIMARY KEY (id);

--
-- Name: team_members team_members_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id);

--
-- Name: teams teams_organization_id_name_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_organization_id_name_key UNIQUE (organization_id, name);

--
-- Name: teams teams_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);

--
-- Name: users users_login_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_login_key UNIQUE (login);

--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

--
-- Name: versions versions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_pkey PRIMARY KEY (id);

--
-- Name: votes votes_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.votes
    ADD CONSTRAINT votes_pkey PRIMARY KEY (issue_id, user_id);

--
-- Name: watchers watchers_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.watchers
    ADD CONSTRAINT watchers_pkey PRIMARY KEY (issue_id, user_id);

--
-- Name: workflow_transitions workflow_transitions_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.workflow_transitions
    ADD CONSTRAINT workflow_transitions_pkey PRIMARY KEY (workflow_id, from_status, to_status);

--
-- Name: workflows workflows_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (id);

--
-- Name: worklogs worklogs_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.worklogs
    ADD CONSTRAINT worklogs_pkey PRIMARY KEY (id);

--
-- Name: issues_assignee; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX issues_assignee ON public.issues USING btree (assignee_id) WHERE (assignee_id IS NOT NULL);

--
-- Name: issues_open; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX issues_open ON public.issues USING btree (project_id, priority DESC, created_at) WHERE (closed_at IS NULL);

--
-- Name: issues_title_lower; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX issues_title_lower ON public.issues USING btree (lower(title) text_pattern_ops);

--
-- Name: team_members_one_lead; Type: INDEX; Schema: public; Owner: postgres
--

CREATE UNIQUE INDEX team_members_one_lead ON public.team_members USING btree (team_id) WHERE is_lead;

--
-- Name: users_email_lower; Type: INDEX; Schema: public; Owner: postgres
--

CREATE UNIQUE INDEX users_email_lower ON public.users USING btree (lower(email));

--
-- Name: issues issues_activity; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER issues_activity AFTER UPDATE ON public.issues FOR EACH ROW EXECUTE FUNCTION public.record_activity();

--
-- Name: issues issues_count; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER issues_count AFTER INSERT OR DELETE ON public.issues FOR EACH ROW EXECUTE FUNCTION public.count_issues();

--
-- Name: issues issues_number; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER issues_number BEFORE INSERT ON public.issues FOR EACH ROW WHEN ((new.number IS NULL)) EXECUTE FUNCTION public.number_issue();

--
-- Name: issues issues_touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER issues_touch BEFORE UPDATE ON public.issues FOR EACH ROW EXECUTE FUNCTION public.touch();

--
-- Name: projects projects_touch; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER projects_touch BEFORE UPDATE ON public.projects FOR EACH ROW EXECUTE FUNCTION public.touch();

--
-- Name: activity activity_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.activity
    ADD CONSTRAINT activity_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: api_tokens api_tokens_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: attachments attachments_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.attachments
    ADD CONSTRAINT attachments_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: board_columns board_columns_board_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.board_columns
    ADD CONSTRAINT board_columns_board_id_fkey FOREIGN KEY (board_id) REFERENCES public.boards(id) ON DELETE CASCADE;

--
-- Name: board_columns board_columns_status_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.board_columns
    ADD CONSTRAINT board_columns_status_id_fkey FOREIGN KEY (status_id) REFERENCES public.statuses(id);

--
-- Name: boards boards_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.boards
    ADD CONSTRAINT boards_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: comment_reactions comment_reactions_comment_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comment_reactions
    ADD CONSTRAINT comment_reactions_comment_id_fkey FOREIGN KEY (comment_id) REFERENCES public.comments(id) ON DELETE CASCADE;

--
-- Name: comment_reactions comment_reactions_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comment_reactions
    ADD CONSTRAINT comment_reactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: comments comments_author_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_author_id_fkey FOREIGN KEY (author_id) REFERENCES public.users(id) ON DELETE SET NULL;

--
-- Name: comments comments_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: components components_owner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);

--
-- Name: components components_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: custom_field_options custom_field_options_field_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_field_options
    ADD CONSTRAINT custom_field_options_field_id_fkey FOREIGN KEY (field_id) REFERENCES public.custom_fields(id) ON DELETE CASCADE;

--
-- Name: custom_field_values custom_field_values_field_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_field_values
    ADD CONSTRAINT custom_field_values_field_id_fkey FOREIGN KEY (field_id) REFERENCES public.custom_fields(id) ON DELETE CASCADE;

--
-- Name: custom_field_values custom_field_values_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_field_values
    ADD CONSTRAINT custom_field_values_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: custom_fields custom_fields_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.custom_fields
    ADD CONSTRAINT custom_fields_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: dashboard_widgets dashboard_widgets_dashboard_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboard_widgets
    ADD CONSTRAINT dashboard_widgets_dashboard_id_fkey FOREIGN KEY (dashboard_id) REFERENCES public.dashboards(id) ON DELETE CASCADE;

--
-- Name: dashboard_widgets dashboard_widgets_filter_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboard_widgets
    ADD CONSTRAINT dashboard_widgets_filter_id_fkey FOREIGN KEY (filter_id) REFERENCES public.saved_filters(id) ON DELETE CASCADE;

--
-- Name: dashboards dashboards_owner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.dashboards
    ADD CONSTRAINT dashboards_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: issue_components issue_components_component_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_components
    ADD CONSTRAINT issue_components_component_id_fkey FOREIGN KEY (component_id) REFERENCES public.components(id) ON DELETE CASCADE;

--
-- Name: issue_components issue_components_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_components
    ADD CONSTRAINT issue_components_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: issue_fix_versions issue_fix_versions_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_fix_versions
    ADD CONSTRAINT issue_fix_versions_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: issue_fix_versions issue_fix_versions_version_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_fix_versions
    ADD CONSTRAINT issue_fix_versions_version_id_fkey FOREIGN KEY (version_id) REFERENCES public.versions(id) ON DELETE CASCADE;

--
-- Name: issue_labels issue_labels_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_labels
    ADD CONSTRAINT issue_labels_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: issue_labels issue_labels_label_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_labels
    ADD CONSTRAINT issue_labels_label_id_fkey FOREIGN KEY (label_id) REFERENCES public.labels(id) ON DELETE CASCADE;

--
-- Name: issue_links issue_links_source_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_links
    ADD CONSTRAINT issue_links_source_id_fkey FOREIGN KEY (source_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: issue_links issue_links_target_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issue_links
    ADD CONSTRAINT issue_links_target_id_fkey FOREIGN KEY (target_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: issues issues_assignee_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_assignee_id_fkey FOREIGN KEY (assignee_id) REFERENCES public.users(id) ON DELETE SET NULL;

--
-- Name: issues issues_milestone_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_milestone_id_fkey FOREIGN KEY (milestone_id) REFERENCES public.milestones(id) ON DELETE SET NULL;

--
-- Name: issues issues_parent_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: issues issues_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: issues issues_reporter_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_reporter_id_fkey FOREIGN KEY (reporter_id) REFERENCES public.users(id) ON DELETE SET NULL;

--
-- Name: issues issues_status_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_status_id_fkey FOREIGN KEY (status_id) REFERENCES public.statuses(id);

--
-- Name: issues issues_type_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.issues
    ADD CONSTRAINT issues_type_id_fkey FOREIGN KEY (type_id) REFERENCES public.issue_types(id);

--
-- Name: labels labels_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.labels
    ADD CONSTRAINT labels_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: milestones milestones_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.milestones
    ADD CONSTRAINT milestones_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: notifications notifications_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: notifications notifications_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: project_members project_members_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.project_members
    ADD CONSTRAINT project_members_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: project_members project_members_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.project_members
    ADD CONSTRAINT project_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: projects projects_lead_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_lead_id_fkey FOREIGN KEY (lead_id) REFERENCES public.users(id) ON DELETE SET NULL;

--
-- Name: projects projects_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id) ON DELETE CASCADE;

--
-- Name: projects projects_workflow_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.workflows(id);

--
-- Name: saved_filters saved_filters_owner_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.saved_filters
    ADD CONSTRAINT saved_filters_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: sprint_issues sprint_issues_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.sprint_issues
    ADD CONSTRAINT sprint_issues_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: sprint_issues sprint_issues_sprint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.sprint_issues
    ADD CONSTRAINT sprint_issues_sprint_id_fkey FOREIGN KEY (sprint_id) REFERENCES public.sprints(id) ON DELETE CASCADE;

--
-- Name: sprints sprints_board_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.sprints
    ADD CONSTRAINT sprints_board_id_fkey FOREIGN KEY (board_id) REFERENCES public.boards(id) ON DELETE CASCADE;

--
-- Name: team_members team_members_team_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id) ON DELETE CASCADE;

--
-- Name: team_members team_members_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: teams teams_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id) ON DELETE CASCADE;

--
-- Name: versions versions_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

--
-- Name: votes votes_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.votes
    ADD CONSTRAINT votes_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: votes votes_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.votes
    ADD CONSTRAINT votes_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: watchers watchers_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.watchers
    ADD CONSTRAINT watchers_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: watchers watchers_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.watchers
    ADD CONSTRAINT watchers_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

--
-- Name: workflow_transitions workflow_transitions_from_status_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.workflow_transitions
    ADD CONSTRAINT workflow_transitions_from_status_fkey FOREIGN KEY (from_status) REFERENCES public.statuses(id);

--
-- Name: workflow_transitions workflow_transitions_to_status_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.workflow_transitions
    ADD CONSTRAINT workflow_transitions_to_status_fkey FOREIGN KEY (to_status) REFERENCES public.statuses(id);

--
-- Name: workflow_transitions workflow_transitions_workflow_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.workflow_transitions
    ADD CONSTRAINT workflow_transitions_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES public.workflows(id) ON DELETE CASCADE;

--
-- Name: worklogs worklogs_issue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.worklogs
    ADD CONSTRAINT worklogs_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES public.issues(id) ON DELETE CASCADE;

--
-- Name: worklogs worklogs_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.worklogs
    ADD CONSTRAINT worklogs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);

--
-- Name: projects admins_change; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY admins_change ON public.projects FOR UPDATE TO authenticated USING ((EXISTS ( SELECT 1
   FROM public.project_members m
  WHERE ((m.project_id = projects.id) AND (m.user_id = ( SELECT auth.uid() AS uid)) AND (m.role = 'admin'::text)))));

--
-- Name: api_tokens; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.api_tokens ENABLE ROW LEVEL SECURITY;

--
-- Name: issues change_issues; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY change_issues ON public.issues TO authenticated USING (public.is_member(project_id)) WITH CHECK (public.is_member(project_id));

--
-- Name: comments; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.comments ENABLE ROW LEVEL SECURITY;

--
-- Name: saved_filters filters; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY filters ON public.saved_filters TO authenticated USING (((owner_id = auth.uid()) OR is_shared)) WITH CHECK ((owner_id = auth.uid()));

--
-- Name: issues; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.issues ENABLE ROW LEVEL SECURITY;

--
-- Name: notifications my_notifications; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY my_notifications ON public.notifications TO authenticated USING ((user_id = ( SELECT auth.uid() AS uid)));

--
-- Name: comments no_internal; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY no_internal ON public.comments AS RESTRICTIVE FOR SELECT TO anon USING ((NOT is_internal));

--
-- Name: notifications; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.notifications ENABLE ROW LEVEL SECURITY;

--
-- Name: projects; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;

--
-- Name: saved_filters; Type: ROW SECURITY; Schema: public; Owner: postgres
--

ALTER TABLE public.saved_filters ENABLE ROW LEVEL SECURITY;

--
-- Name: comments see_comments; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY see_comments ON public.comments FOR SELECT USING ((issue_id IN ( SELECT issues.id
   FROM public.issues)));

--
-- Name: issues see_issues; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY see_issues ON public.issues FOR SELECT USING ((EXISTS ( SELECT 1
   FROM public.projects p
  WHERE (p.id = issues.project_id))));

--
-- Name: projects see_projects; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY see_projects ON public.projects FOR SELECT USING ((is_public OR public.is_member(id)));

--
-- Name: comments write_comments; Type: POLICY; Schema: public; Owner: postgres
--

CREATE POLICY write_comments ON public.comments FOR INSERT TO authenticated WITH CHECK ((author_id = auth.uid()));

--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: pg_database_owner
--

GRANT USAGE ON SCHEMA public TO anon;
GRANT USAGE ON SCHEMA public TO authenticated;
GRANT USAGE ON SCHEMA public TO service_role;

--
-- Name: TABLE activity; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.activity TO authenticated;
GRANT ALL ON TABLE public.activity TO service_role;

--
-- Name: SEQUENCE activity_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.activity_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.activity_id_seq TO service_role;

--
-- Name: TABLE api_tokens; Type: ACL; Schema: public; Owner: postgres
--

GRANT ALL ON TABLE public.api_tokens TO service_role;

--
-- Name: COLUMN api_tokens.id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(id) ON TABLE public.api_tokens TO authenticated;

--
-- Name: COLUMN api_tokens.user_id; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(user_id) ON TABLE public.api_tokens TO authenticated;

--
-- Name: COLUMN api_tokens.expires_at; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT(expires_at) ON TABLE public.api_tokens TO authenticated;

--
-- Name: TABLE attachments; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.attachments TO authenticated;
GRANT ALL ON TABLE public.attachments TO service_role;

--
-- Name: TABLE board_columns; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.board_columns TO authenticated;
GRANT ALL ON TABLE public.board_columns TO service_role;

--
-- Name: TABLE boards; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.boards TO authenticated;
GRANT ALL ON TABLE public.boards TO service_role;

--
-- Name: SEQUENCE boards_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.boards_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.boards_id_seq TO service_role;

--
-- Name: TABLE comment_reactions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.comment_reactions TO authenticated;
GRANT ALL ON TABLE public.comment_reactions TO service_role;

--
-- Name: TABLE comments; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.comments TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.comments TO authenticated;
GRANT ALL ON TABLE public.comments TO service_role;

--
-- Name: SEQUENCE comments_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.comments_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.comments_id_seq TO service_role;

--
-- Name: TABLE components; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.components TO authenticated;
GRANT ALL ON TABLE public.components TO service_role;

--
-- Name: SEQUENCE components_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.components_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.components_id_seq TO service_role;

--
-- Name: TABLE custom_field_options; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.custom_field_options TO authenticated;
GRANT ALL ON TABLE public.custom_field_options TO service_role;

--
-- Name: TABLE custom_field_values; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.custom_field_values TO authenticated;
GRANT ALL ON TABLE public.custom_field_values TO service_role;

--
-- Name: TABLE custom_fields; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.custom_fields TO authenticated;
GRANT ALL ON TABLE public.custom_fields TO service_role;

--
-- Name: SEQUENCE custom_fields_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.custom_fields_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.custom_fields_id_seq TO service_role;

--
-- Name: TABLE dashboard_widgets; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dashboard_widgets TO authenticated;
GRANT ALL ON TABLE public.dashboard_widgets TO service_role;

--
-- Name: SEQUENCE dashboard_widgets_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.dashboard_widgets_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.dashboard_widgets_id_seq TO service_role;

--
-- Name: TABLE dashboards; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dashboards TO authenticated;
GRANT ALL ON TABLE public.dashboards TO service_role;

--
-- Name: SEQUENCE dashboards_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.dashboards_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.dashboards_id_seq TO service_role;

--
-- Name: TABLE issue_components; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issue_components TO authenticated;
GRANT ALL ON TABLE public.issue_components TO service_role;

--
-- Name: TABLE issue_fix_versions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issue_fix_versions TO authenticated;
GRANT ALL ON TABLE public.issue_fix_versions TO service_role;

--
-- Name: TABLE issue_labels; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issue_labels TO authenticated;
GRANT ALL ON TABLE public.issue_labels TO service_role;

--
-- Name: TABLE issue_links; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issue_links TO authenticated;
GRANT ALL ON TABLE public.issue_links TO service_role;

--
-- Name: TABLE issue_types; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issue_types TO authenticated;
GRANT ALL ON TABLE public.issue_types TO service_role;

--
-- Name: TABLE issues; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.issues TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.issues TO authenticated;
GRANT ALL ON TABLE public.issues TO service_role;

--
-- Name: SEQUENCE issues_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.issues_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.issues_id_seq TO service_role;

--
-- Name: TABLE labels; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.labels TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.labels TO authenticated;
GRANT ALL ON TABLE public.labels TO service_role;

--
-- Name: SEQUENCE labels_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.labels_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.labels_id_seq TO service_role;

--
-- Name: TABLE milestones; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.milestones TO authenticated;
GRANT ALL ON TABLE public.milestones TO service_role;

--
-- Name: SEQUENCE milestones_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.milestones_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.milestones_id_seq TO service_role;

--
-- Name: TABLE notifications; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notifications TO authenticated;
GRANT ALL ON TABLE public.notifications TO service_role;

--
-- Name: SEQUENCE notifications_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.notifications_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.notifications_id_seq TO service_role;

--
-- Name: TABLE projects; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.projects TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.projects TO authenticated;
GRANT ALL ON TABLE public.projects TO service_role;

--
-- Name: TABLE statuses; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.statuses TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.statuses TO authenticated;
GRANT ALL ON TABLE public.statuses TO service_role;

--
-- Name: TABLE users; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.users TO authenticated;
GRANT ALL ON TABLE public.users TO service_role;

--
-- Name: TABLE open_issues; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.open_issues TO anon;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.open_issues TO authenticated;
GRANT ALL ON TABLE public.open_issues TO service_role;

--
-- Name: TABLE organizations; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.organizations TO authenticated;
GRANT ALL ON TABLE public.organizations TO service_role;

--
-- Name: SEQUENCE organizations_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.organizations_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.organizations_id_seq TO service_role;

--
-- Name: TABLE project_members; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.project_members TO authenticated;
GRANT ALL ON TABLE public.project_members TO service_role;

--
-- Name: SEQUENCE projects_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.projects_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.projects_id_seq TO service_role;

--
-- Name: TABLE saved_filters; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.saved_filters TO authenticated;
GRANT ALL ON TABLE public.saved_filters TO service_role;

--
-- Name: SEQUENCE saved_filters_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.saved_filters_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.saved_filters_id_seq TO service_role;

--
-- Name: TABLE sprint_issues; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sprint_issues TO authenticated;
GRANT ALL ON TABLE public.sprint_issues TO service_role;

--
-- Name: TABLE sprints; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sprints TO authenticated;
GRANT ALL ON TABLE public.sprints TO service_role;

--
-- Name: SEQUENCE sprints_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.sprints_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.sprints_id_seq TO service_role;

--
-- Name: SEQUENCE statuses_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.statuses_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.statuses_id_seq TO service_role;

--
-- Name: TABLE team_members; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.team_members TO authenticated;
GRANT ALL ON TABLE public.team_members TO service_role;

--
-- Name: TABLE teams; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.teams TO authenticated;
GRANT ALL ON TABLE public.teams TO service_role;

--
-- Name: SEQUENCE teams_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.teams_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.teams_id_seq TO service_role;

--
-- Name: TABLE versions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.versions TO authenticated;
GRANT ALL ON TABLE public.versions TO service_role;

--
-- Name: SEQUENCE versions_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.versions_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.versions_id_seq TO service_role;

--
-- Name: TABLE votes; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.votes TO authenticated;
GRANT ALL ON TABLE public.votes TO service_role;

--
-- Name: TABLE watchers; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.watchers TO authenticated;
GRANT ALL ON TABLE public.watchers TO service_role;

--
-- Name: TABLE workflow_transitions; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow_transitions TO authenticated;
GRANT ALL ON TABLE public.workflow_transitions TO service_role;

--
-- Name: TABLE workflows; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflows TO authenticated;
GRANT ALL ON TABLE public.workflows TO service_role;

--
-- Name: SEQUENCE workflows_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.workflows_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.workflows_id_seq TO service_role;

--
-- Name: TABLE workload; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workload TO authenticated;
GRANT ALL ON TABLE public.workload TO service_role;

--
-- Name: TABLE worklogs; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.worklogs TO authenticated;
GRANT ALL ON TABLE public.worklogs TO service_role;

--
-- Name: SEQUENCE worklogs_id_seq; Type: ACL; Schema: public; Owner: postgres
--

GRANT USAGE ON SEQUENCE public.worklogs_id_seq TO authenticated;
GRANT USAGE ON SEQUENCE public.worklogs_id_seq TO service_role;

--
-- PostgreSQL database dump complete
--

