"""Asks for every kind of answer and has httplint and redbot judge each: `lint.py URL ADMIN_URL TOKEN`.

httplint reads one answer. redbot asks for each of RESOURCES again, in gzip, in part, and whether it still counts, and compares.
What they call bad or warn of is a fault unless EXPECTED has it for just that answer, and says why. What is expected and not seen is
a fault as well."""
import configparser, http.client, random, sys
from dataclasses import dataclass
from urllib.parse import urlsplit
import thor
from httplint.message import HttpRequestLinter, HttpResponseLinter
from httplint.note import levels
from redbot.resource import HttpResource

URL, ADMIN, TOKEN = sys.argv[1:4]

JSON = {'Content-Type': 'application/json'}
AUTH = {'Authorization': f'Bearer {TOKEN}'}
WRITE = {**JSON, **AUTH}
ALL = {'Accept-Encoding': 'gzip, deflate, br, zstd'}
PAGE = {'Origin': 'http://a.test'}
STRANGER = {'Origin': 'http://b.test'}
ASKS = {'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type'}
HTML = {'Accept': 'text/html'}
PERSON = '{"email":"mina@example.com","password":"correct horse battery staple"}'
# A tag in the place of this is that of the answer before.
LAST = '"the tag of the answer before"'

CASES = [  # name, status, method, path, headers, body: in this order, since writes change what reads give
    # Rows.
    ('list', 200, 'GET', '/rest/v1/plain?order=id', {}, None),
    ('list of somebody', 200, 'GET', '/rest/v1/plain?order=id', AUTH, None),
    ('list, gzip', 200, 'GET', '/rest/v1/plain?order=id', {'Accept-Encoding': 'gzip'}, None),
    ('list, br', 200, 'GET', '/rest/v1/plain?order=id', {'Accept-Encoding': 'br'}, None),
    ('list, zstd', 200, 'GET', '/rest/v1/plain?order=id', {'Accept-Encoding': 'zstd'}, None),
    ('short list, any coding', 200, 'GET', '/rest/v1/plain?id=eq.1', ALL, None),
    ('empty list', 200, 'GET', '/rest/v1/plain?id=eq.-1', {}, None),
    ('object', 200, 'GET', '/rest/v1/plain?id=eq.1', {'Accept': 'application/vnd.pgrst.object+json'}, None),
    ('csv', 200, 'GET', '/rest/v1/plain', {'Accept': 'text/csv'}, None),
    ('stream', 200, 'GET', '/rest/v1/long', {}, None),
    ('stream, gzip', 200, 'GET', '/rest/v1/long', {'Accept-Encoding': 'gzip'}, None),
    ('stream, changed', 412, 'GET', '/rest/v1/long', {'If-Match': '"x"'}, None),
    ('page', 206, 'GET', '/rest/v1/plain?order=id&limit=10', {'Prefer': 'count=exact'}, None),
    ('part of the rows', 206, 'GET', '/rest/v1/plain?order=id', {'Prefer': 'count=exact', 'Range-Unit': 'items', 'Range': '0-9'}, None),
    ('beyond the rows', 416, 'GET', '/rest/v1/plain?offset=5000', {'Prefer': 'count=exact'}, None),
    ('head', 200, 'HEAD', '/rest/v1/plain', {}, None),
    ('head of somebody', 200, 'HEAD', '/rest/v1/plain', AUTH, None),
    ('head, gzip', 200, 'HEAD', '/rest/v1/plain', {'Accept-Encoding': 'gzip'}, None),
    ('head, counted', 200, 'HEAD', '/rest/v1/plain', {'Prefer': 'count=exact'}, None),
    ('head of a stream', 200, 'HEAD', '/rest/v1/long', {}, None),
    ('head of nothing', 404, 'HEAD', '/rest/v1/nothing', {}, None),
    ('known', 304, 'GET', '/rest/v1/plain?order=id', {'If-None-Match': '*'}, None),
    ('known to somebody', 304, 'GET', '/rest/v1/plain?order=id', {'If-None-Match': '*', **AUTH, **ALL}, None),
    ('head, known', 304, 'HEAD', '/rest/v1/plain?order=id', {'If-None-Match': '*'}, None),
    ('changed', 412, 'GET', '/rest/v1/plain?order=id', {'If-Match': '"x"'}, None),
    # Kept answers.
    ('kept from now on', 200, 'GET', '/rest/v1/item?order=id', {}, None),
    ('kept', 200, 'GET', '/rest/v1/item?order=id', {}, None),
    ('kept, gzip', 200, 'GET', '/rest/v1/item?order=id', {'Accept-Encoding': 'gzip'}, None),
    ('kept, known', 304, 'GET', '/rest/v1/item?order=id', {'If-None-Match': LAST, 'Accept-Encoding': 'gzip'}, None),
    ('kept, head', 200, 'HEAD', '/rest/v1/item?order=id', {}, None),
    ('kept, fetched anew', 200, 'GET', '/rest/v1/item?order=id', {'Cache-Control': 'no-cache'}, None),
    ('only if kept', 504, 'GET', '/rest/v1/item?id=eq.77', {'Cache-Control': 'only-if-cached'}, None),
    ('kept for a time, from now on', 200, 'GET', '/rest/v1/news?order=id', {}, None),
    ('kept for a time', 200, 'GET', '/rest/v1/news?order=id', {}, None),
    ('overtaken', 204, 'PATCH', '/rest/v1/news?id=eq.1', WRITE, '{"name":"newer"}'),
    ('stale', 200, 'GET', '/rest/v1/news?order=id', {'Cache-Control': 'max-stale=60'}, None),
    ('for caches in front', 200, 'GET', '/rest/v1/todo?id=eq.1', {}, None),
    ('for caches in front, kept', 200, 'GET', '/rest/v1/todo?id=eq.1', ALL, None),
    # Writes.
    ('insert', 201, 'POST', '/rest/v1/item', {'Prefer': 'return=headers-only', **WRITE}, '{"id":1001,"name":"a"}'),
    ('insert, nothing shown', 201, 'POST', '/rest/v1/item', {'Prefer': 'return=minimal', **WRITE}, '{"id":1005,"name":"a"}'),
    ('insert, shown', 201, 'POST', '/rest/v1/item', {'Prefer': 'return=representation', **WRITE, **ALL}, '{"id":1002,"name":"b"}'),
    ('insert, once', 201, 'POST', '/rest/v1/item', {'Idempotency-Key': '"k"', **WRITE}, '{"id":1006,"name":"b"}'),
    ('insert, once, again', 201, 'POST', '/rest/v1/item', {'Idempotency-Key': '"k"', **WRITE}, '{"id":1006,"name":"b"}'),
    ('insert, another with its key', 422, 'POST', '/rest/v1/item', {'Idempotency-Key': '"k"', **WRITE}, '{"id":1007,"name":"b"}'),
    ('conflict', 409, 'POST', '/rest/v1/item', WRITE, '{"id":1002,"name":"b"}'),
    ('put', 204, 'PUT', '/rest/v1/item?id=eq.1003', WRITE, '{"id":1003,"name":"b"}'),
    ('put, shown', 200, 'PUT', '/rest/v1/item?id=eq.1003', {'Prefer': 'return=representation', **WRITE}, '{"id":1003,"name":"c"}'),
    ('update', 204, 'PATCH', '/rest/v1/item?id=eq.1001', WRITE, '{"name":"c"}'),
    ('update, shown', 200, 'PATCH', '/rest/v1/item?id=eq.1001', {'Prefer': 'return=representation', **WRITE}, '{"name":"d"}'),
    ('update, changed before', 412, 'PATCH', '/rest/v1/item?id=eq.1001', {'If-Match': '"x"', **WRITE}, '{"name":"c"}'),
    ('delete, shown', 200, 'DELETE', '/rest/v1/item?id=eq.1001', {'Prefer': 'return=representation', **AUTH}, None),
    ('delete', 204, 'DELETE', '/rest/v1/item?id=gt.1000', AUTH, None),
    ('function', 200, 'GET', '/rest/v1/rpc/double?n=4', {}, None),
    ('function called', 200, 'POST', '/rest/v1/rpc/double', JSON, '{"n":4}'),
    # What there is, and for whom.
    ('options', 200, 'OPTIONS', '/rest/v1/item', {}, None),
    ('options of a function', 200, 'OPTIONS', '/rest/v1/rpc/double', {}, None),
    ('preflight', 200, 'OPTIONS', '/rest/v1/item', {**PAGE, **ASKS}, None),
    ('preflight of a stranger', 200, 'OPTIONS', '/rest/v1/item', {**STRANGER, **ASKS}, None),
    ('preflight of the login', 200, 'OPTIONS', '/auth/v1/token', {**PAGE, **ASKS}, None),
    ('from a page', 200, 'GET', '/rest/v1/plain?id=eq.1', PAGE, None),
    ("from a stranger's page", 200, 'GET', '/rest/v1/plain?id=eq.1', STRANGER, None),
    ('refused to a page', 404, 'GET', '/rest/v1/nothing', PAGE, None),
    ('document', 200, 'GET', '/rest/v1/', ALL, None),
    ('document, known', 304, 'GET', '/rest/v1/', {'If-None-Match': LAST, **ALL}, None),
    ('document, head', 200, 'HEAD', '/rest/v1/', {}, None),
    ('page of the API', 200, 'GET', '/docs/', ALL, None),
    ('page of the API, moved', 308, 'GET', '/docs', {}, None),
    ('script of the page', 200, 'GET', '/docs/docs.js', {'Accept-Encoding': 'br'}, None),
    # Refusals.
    ('no such relation', 404, 'GET', '/rest/v1/nothing', {}, None),
    ('no such relation, problem details', 404, 'GET', '/rest/v1/nothing', {'Accept': 'application/problem+json'}, None),
    ('no such area', 404, 'GET', '/storage/v1/object', {}, None),
    ('no such column', 400, 'GET', '/rest/v1/item?nothing=eq.1', {}, None),
    ('no JSON', 400, 'POST', '/rest/v1/item', WRITE, '{'),
    ('bad token', 401, 'GET', '/rest/v1/item', {'Authorization': 'Bearer a.b.c'}, None),
    ('not granted to nobody', 401, 'DELETE', '/rest/v1/item?id=eq.1', {}, None),
    ('not granted', 403, 'DELETE', '/rest/v1/plain?id=eq.1', AUTH, None),
    ('wrong method', 405, 'PUT', '/rest/v1/rpc/double', JSON, '{}'),
    ('unknown method', 405, 'BREW', '/rest/v1/item', {}, None),
    ('nothing acceptable', 406, 'GET', '/rest/v1/item', {'Accept': 'image/png'}, None),
    ('not one row', 406, 'GET', '/rest/v1/item', {'Accept': 'application/vnd.pgrst.object+json'}, None),
    ('too large', 413, 'POST', '/rest/v1/item', WRITE, '[' + ' ' * 5000 + ']'),
    ('path too long', 414, 'GET', '/rest/v1/item?id=in.(' + '1,' * 9000 + '1)', {}, None),
    ('unknown coding', 415, 'POST', '/rest/v1/item', {'Content-Encoding': 'compress', **WRITE}, '{}'),
    ('unknown form', 400, 'POST', '/rest/v1/item', {'Content-Type': 'text/unknown', **AUTH}, '{}'),
    ('gzip that is none', 400, 'POST', '/rest/v1/item', {'Content-Encoding': 'gzip', **WRITE}, '{}'),
    ('unknown expectation', 417, 'POST', '/rest/v1/item', {'Expect': 'tea', **WRITE}, '{}'),
    ('scarce', 200, 'GET', '/rest/v1/scarce', {}, None),
    ('too often', 429, 'GET', '/rest/v1/scarce', {}, None),
    ('head too large', 431, 'GET', '/rest/v1/item', {f'X-{number}': 'x' for number in range(300)}, None),
    # Files.
    ('home', 200, 'GET', '/', HTML, None),
    ('home, gzip', 200, 'GET', '/', {'Accept-Encoding': 'gzip'}, None),
    ('page of the application', 200, 'GET', '/some/where', HTML, None),
    ('folder, moved', 308, 'GET', '/notes', {}, None),
    ('style', 200, 'GET', '/style.css', {}, None),
    ('style, any coding', 200, 'GET', '/style.css', ALL, None),
    ('style, known', 304, 'GET', '/style.css', {'If-None-Match': LAST, **ALL}, None),
    ('style, head', 200, 'HEAD', '/style.css', ALL, None),
    ('style, zstd', 200, 'GET', '/style.css', {'Accept-Encoding': 'zstd'}, None),
    ('style, gzip', 200, 'GET', '/style.css', {'Accept-Encoding': 'gzip'}, None),
    ('style, changed', 412, 'GET', '/style.css', {'If-Match': '"x"'}, None),
    ('script with a hash', 200, 'GET', '/app.3f2a9c1b.js', ALL, None),
    ('picture', 200, 'GET', '/photo.jpg', ALL, None),
    ('part of a picture', 206, 'GET', '/photo.jpg', {'Range': 'bytes=0-99', 'If-Range': LAST}, None),
    ('end of a picture', 206, 'GET', '/photo.jpg', {'Range': 'bytes=-99'}, None),
    ('parts of a picture', 206, 'GET', '/photo.jpg', {'Range': 'bytes=0-9,100-109'}, None),
    ('beyond a picture', 416, 'GET', '/photo.jpg', {'Range': 'bytes=90000-'}, None),
    ('part of a style, gzip', 206, 'GET', '/style.css', {'Range': 'bytes=0-9', 'Accept-Encoding': 'gzip'}, None),
    ('no such file', 404, 'GET', '/nothing.js', {}, None),
    ('written file', 405, 'PUT', '/photo.jpg', AUTH, 'x'),
    # The login.
    ('settings of the login', 200, 'GET', '/auth/v1/settings', ALL, None),
    ('health of the login', 200, 'GET', '/auth/v1/health', {}, None),
    ('keys of the login', 200, 'GET', '/auth/v1/.well-known/jwks.json', {}, None),
    ('sign-up', 200, 'POST', '/auth/v1/signup', JSON, PERSON),
    ('sign-in', 200, 'POST', '/auth/v1/token?grant_type=password', JSON, PERSON),
    ('wrong password', 400, 'POST', '/auth/v1/token?grant_type=password', JSON, PERSON.replace('horse', 'donkey')),
    ('sign-in without JSON', 400, 'POST', '/auth/v1/token?grant_type=password', JSON, '{'),
    ('user without token', 401, 'GET', '/auth/v1/user', {}, None),
    ('link that does not count', 303, 'GET', '/auth/v1/verify?type=signup&token=x', {}, None),
    ('no such route of the login', 404, 'GET', '/auth/v1/nothing', {}, None),
]
ADMIN_CASES = [
    ('index', 200, 'GET', '/', {}, None),
    ('metrics', 200, 'GET', '/metrics', ALL, None),
    ('live', 200, 'GET', '/live', {}, None),
    ('ready', 200, 'GET', '/ready', {}, None),
    ('ready, head', 200, 'HEAD', '/ready', {}, None),
    ('no such page', 404, 'GET', '/nothing', {}, None),
    ('reload without asking', 403, 'POST', '/reload', {}, None),
    ('wrong method for metrics', 405, 'POST', '/metrics', {}, None),
    ('wrong method for reload', 405, 'GET', '/reload', {}, None),
]
RESOURCES = [  # name, path, headers: what redbot asks for several times
    ('redbot: list', '/rest/v1/plain?order=id', []),
    ('redbot: list of somebody', '/rest/v1/plain?order=id', list(AUTH.items())),
    ('redbot: csv', '/rest/v1/plain?order=id', [('Accept', 'text/csv')]),
    ('redbot: kept', '/rest/v1/item?order=id', []),
    ('redbot: for caches in front', '/rest/v1/todo?order=id', []),
    ('redbot: stream', '/rest/v1/long', []),
    ('redbot: function', '/rest/v1/rpc/double?n=4', []),
    ('redbot: document', '/rest/v1/', []),
    ('redbot: no such relation', '/rest/v1/nothing', []),
    ('redbot: page of the API', '/docs/', []),
    ('redbot: home', '/', [('Accept', 'text/html')]),
    ('redbot: style', '/style.css', []),
    ('redbot: script with a hash', '/app.3f2a9c1b.js', []),
    ('redbot: picture', '/photo.jpg', []),
    ('redbot: keys of the login', '/auth/v1/.well-known/jwks.json', []),
]

@dataclass
class Answer:
    name: str
    status: int
    fields: dict
    notes: list

    def says(self, name, *beginnings):
        return self.fields.get(name, '').startswith(beginnings or '')

def named(*names):
    return lambda answer: answer.name in names

def has_rows_range(answer):
    return 'content-range' in answer.fields and not answer.says('content-range', 'bytes')

EXPECTED = {  # the kind of note: of which answers, and why it is right there
    'CONTENT_RANGE_MISSING_UNIT': (has_rows_range,
        "PostgREST's Content-Range has no unit, and its clients read it so: the recorded corpus compares it."),
    'CONTENT_RANGE_MEANINGLESS': (lambda answer: has_rows_range(answer) and answer.status not in (206, 416),
        'As PostgREST, all answers about rows tell which they are, those to writes as well.'),
    'PARTIAL_NOT_REQUESTED': (named('page'),
        'As PostgREST, a page of counted rows is 206, whether `limit` or `Range` asked for it.'),
    'STATUS_416_WITHOUT_RANGE': (named('beyond the rows'),
        'As PostgREST, a page behind the last of counted rows is 416, whether `offset` or `Range` asked for it.'),
    'CREATED_WITHOUT_LOCATION': (lambda answer: answer.status == 201 and answer.name != 'insert',
        'As PostgREST, `return=headers-only` asks for Location; rows that are shown tell where they are themselves.'),
    'VARY_COMPLEX': (lambda answer: answer.fields.get('vary', '').count(',') > 3,
        'The dialect reads as many headers, and a cache that did not know it would mix up what they ask for.'),
    'FRESHNESS_NO_CACHE_NO_VALIDATOR': (named('head, counted'),
        'No row is made into anything for who wants a count alone, so its tag is left out (RFC 9110 section 9.3.2).'),
    'PROXY_STATUS_BAD_PARAM_VAL': (named('conflict', 'no such column', 'not granted to nobody', 'not granted'),
        "As PostgREST, the error is PostgreSQL's code, which no registry of HTTP has."),
    'STATUS_BAD_REQUEST': (lambda answer: answer.status == 400,
        'It warns of each 400; these requests are wrong.'),
    'STATUS_URI_TOO_LONG': (lambda answer: answer.status == 414,
        'It calls each 414 bad; this request is.'),
    'REQUEST_HDR_IN_RESPONSE': (named('unknown coding'),
        'RFC 9110 section 12.5.3 has Accept-Encoding in answers, for 415 above all; the tool knows it of requests alone.'),
    'STORE_PUBLIC_UNNECESSARY': (lambda answer: answer.says('cache-control', 'public, max-age'),
        'It is necessary where a request has Authorization (RFC 9111 section 3.5), and whether one has it decides nothing here.'),
    'PARTIAL_WITHOUT_RANGE': (named('parts of a picture'),
        'RFC 9110 section 15.3.7.2: several parts have a Content-Range each, and the answer itself must not have one.'),
}

def ask(origin, method, path, headers, body):
    origin = urlsplit(origin)
    connection = http.client.HTTPConnection(origin.hostname, origin.port, timeout=60)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    body = body.encode() if body is not None else None
    if body is not None:
        connection.putheader('Content-Length', str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    fields = [(name.encode(), value.encode('latin-1')) for name, value in answer.getheaders()]
    return answer, fields, answer.read()

def lint(origin, method, path, headers, body):
    answer, fields, content = ask(origin, method, path, headers, body)
    request = HttpRequestLinter()
    request.process_request_topline(method.encode(), f'{origin}{path}'.encode(), b'1.1')
    request.process_headers([(b'Host', urlsplit(origin).netloc.encode())] + [(n.encode(), v.encode()) for n, v in headers.items()])
    request.finish_content(True)
    linter = HttpResponseLinter(_related=request, no_content=method == 'HEAD')
    linter.is_head_response = method == 'HEAD'
    linter.process_response_topline(b'1.1', str(answer.status).encode(), answer.reason.encode())
    linter.process_headers(fields)
    linter.feed_content(content)
    linter.finish_content(True)
    return answer, list(flat(linter.notes))

def flat(notes):
    for note in notes:
        yield note
        yield from flat(note.subnotes)

def probes():
    """What redbot finds of each of RESOURCES, in the answer itself and in those that it asks for beside it."""
    config = configparser.ConfigParser()
    config.read_dict({'redbot': {'enable_local_access': 'True'}})
    waiting, probed = set(), []
    def done(name):
        waiting.discard(name)
        if not waiting: thor.stop()
    for name, path, headers in RESOURCES:
        resource = HttpResource(config['redbot'])
        resource.set_request(f'{URL}{path}', headers=headers)
        resource.on('check_done', lambda name=name: done(name))
        waiting.add(name)
        probed.append((name, resource))
    for _name, resource in probed:
        resource.check()
    # Only what hangs meets it.
    thor.schedule(120, thor.stop)
    if waiting: thor.run()
    for name, resource in probed:
        if name in waiting:
            faults.append(f'{name}: redbot does not come to an end')
        for fetch in [resource, *resource.subreqs.values()]:
            told = f'{name}, {fetch.check_name}'
            if fetch.fetch_error:
                faults.append(f'{told}: {fetch.fetch_error}')
            if fetch.has_response:
                fields = {field.lower(): value.strip() for field, value in fetch.response.headers.text}
                yield Answer(told, fetch.response.status_code, fields, list(flat(fetch.response.notes)))

faults, answers, last = [], [], ''
for origin, cases in ((URL, CASES), (ADMIN, ADMIN_CASES)):
    for name, status, method, path, headers, body in cases:
        headers = {field: last if value == LAST else value for field, value in headers.items()}
        answer, notes = lint(origin, method, path, headers, body)
        last = answer.headers.get('ETag', '')
        if answer.status != status:
            faults.append(f'{name}: expected {status}, got {answer.status}')
        fields = {field.lower(): value for field, value in answer.getheaders()}
        answers.append(Answer(name, answer.status, fields, notes))
# Which part redbot asks for is chance: the same each time.
random.seed(1)
answers.extend(probes())

used = set()
for answer in answers:
    seen = {}
    for note in answer.notes:
        if note.level in (levels.BAD, levels.WARN):
            seen[type(note).__name__] = f'{note.level.name} {type(note).__name__}: {note.summary}'
    expected = {kind for kind, (has_it, _reason) in EXPECTED.items() if has_it(answer)}
    used |= expected
    faults += [f'{answer.name}: {told}' for kind, told in seen.items() if kind not in expected]
    faults += [f'{answer.name}: {kind} is expected and not seen' for kind in sorted(expected - seen.keys())]
faults += [f'{kind} is expected of no answer' for kind in EXPECTED.keys() - used]
for fault in faults:
    print(fault)
print(f'{len(answers)} answers, {len(faults)} faults')
sys.exit(1 if faults else 0)
