"""Asks for every kind of answer and has httplint judge each: `lint.py URL TOKEN [--show]`. Fails on anything bad.

What httplint warns of is told with --show. What it takes for bad and has to be so stands in ALLOWED, each with its reason."""
import http.client, sys
from urllib.parse import urlsplit
from httplint.message import HttpRequestLinter, HttpResponseLinter
from httplint.note import levels

URL, TOKEN = urlsplit(sys.argv[1]), sys.argv[2]
SHOW = '--show' in sys.argv
ALLOWED = {
    # PostgREST's Content-Range has no unit, and its clients read it so: the recorded corpus compares it.
    'CONTENT_RANGE_MISSING_UNIT',
    # As PostgREST, a page of counted rows is 206, whether `limit` or `Range` asked for it.
    'PARTIAL_NOT_REQUESTED',
    # As PostgREST, rows that are shown tell where they are themselves; `return=headers-only` asks for Location.
    'CREATED_WITHOUT_LOCATION',
    # RFC 9110 section 12.5.3 has Accept-Encoding in answers, for 415 above all; the tool knows it of requests alone.
    'REQUEST_HDR_IN_RESPONSE',
}

JSON = {'Content-Type': 'application/json'}
AUTH = {'Authorization': f'Bearer {TOKEN}'}
ALL = {'Accept-Encoding': 'gzip, deflate, br, zstd'}
CASES = [  # name, status, method, path, headers, body
    ('list', 200, 'GET', '/rest/v1/item?order=id', {}, None),
    ('list of somebody', 200, 'GET', '/rest/v1/item?order=id', AUTH, None),
    ('list, gzip', 200, 'GET', '/rest/v1/item?order=id', {'Accept-Encoding': 'gzip'}, None),
    ('list, br', 200, 'GET', '/rest/v1/item?order=id', {'Accept-Encoding': 'br'}, None),
    ('short list, any coding', 200, 'GET', '/rest/v1/item?id=eq.1', ALL, None),
    ('object', 200, 'GET', '/rest/v1/item?id=eq.1', {'Accept': 'application/vnd.pgrst.object+json'}, None),
    ('csv', 200, 'GET', '/rest/v1/item', {'Accept': 'text/csv'}, None),
    ('page', 206, 'GET', '/rest/v1/item?order=id&limit=10', {'Prefer': 'count=exact'}, None),
    ('beyond the rows', 416, 'GET', '/rest/v1/item?offset=5000', {'Prefer': 'count=exact'}, None),
    ('head', 200, 'HEAD', '/rest/v1/item', {}, None),
    ('head, gzip', 200, 'HEAD', '/rest/v1/item', {'Accept-Encoding': 'gzip'}, None),
    ('known', 304, 'GET', '/rest/v1/item?order=id', {'If-None-Match': '*'}, None),
    ('known to somebody', 304, 'GET', '/rest/v1/item?order=id', {'If-None-Match': '*', **AUTH, **ALL}, None),
    ('head, known', None, 'HEAD', '/rest/v1/item?order=id', {'If-None-Match': '*'}, None),
    ('changed', 412, 'GET', '/rest/v1/item?order=id', {'If-Match': '"x"'}, None),
    ('insert', 201, 'POST', '/rest/v1/item', {'Prefer': 'return=headers-only', **JSON, **AUTH}, '{"id":1001,"name":"a"}'),
    ('insert, shown', 201, 'POST', '/rest/v1/item', {'Prefer': 'return=representation', **JSON, **AUTH, **ALL}, '{"id":1002,"name":"b"}'),
    ('conflict', 409, 'POST', '/rest/v1/item', {**JSON, **AUTH}, '{"id":1002,"name":"b"}'),
    ('put', 204, 'PUT', '/rest/v1/item?id=eq.1003', {**JSON, **AUTH}, '{"id":1003,"name":"b"}'),
    ('update', 204, 'PATCH', '/rest/v1/item?id=eq.1001', {**JSON, **AUTH}, '{"name":"c"}'),
    ('delete', 204, 'DELETE', '/rest/v1/item?id=gt.1000', AUTH, None),
    ('options', 200, 'OPTIONS', '/rest/v1/item', {}, None),
    ('preflight', 200, 'OPTIONS', '/rest/v1/item', {'Origin': 'http://a.test', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'content-type'}, None),
    ('from a page', 200, 'GET', '/rest/v1/item?id=eq.1', {'Origin': 'http://a.test'}, None),
    ('function', 200, 'GET', '/rest/v1/rpc/double?n=4', {}, None),
    ('function called', 200, 'POST', '/rest/v1/rpc/double', JSON, '{"n":4}'),
    ('document', 200, 'GET', '/rest/v1/', ALL, None),
    ('root', 200, 'GET', '/', {}, None),
    ('page of the API', 200, 'GET', '/docs/', ALL, None),
    ('page of the API, moved', 308, 'GET', '/docs', {}, None),
    ('script of the page', 200, 'GET', '/docs/docs.js', {'Accept-Encoding': 'br'}, None),
    ('no such relation', 404, 'GET', '/rest/v1/nothing', {}, None),
    ('no such column', 400, 'GET', '/rest/v1/item?nothing=eq.1', {}, None),
    ('bad token', 401, 'GET', '/rest/v1/item', {'Authorization': 'Bearer a.b.c'}, None),
    ('not granted', 401, 'DELETE', '/rest/v1/item?id=eq.1', {}, None),
    ('wrong method', 405, 'PUT', '/rest/v1/rpc/double', JSON, '{}'),
    ('nothing acceptable', 406, 'GET', '/rest/v1/item', {'Accept': 'image/png'}, None),
    ('unknown coding', 415, 'POST', '/rest/v1/item', {'Content-Encoding': 'compress', **JSON, **AUTH}, '{}'),
    ('gzip that is none', 400, 'POST', '/rest/v1/item', {'Content-Encoding': 'gzip', **JSON, **AUTH}, '{}'),
]

def ask(method, path, headers, body):
    connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=20)
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

def judge(method, path, headers, body):
    answer, fields, content = ask(method, path, headers, body)
    request = HttpRequestLinter()
    request.process_request_topline(method.encode(), f'{sys.argv[1]}{path}'.encode(), b'1.1')
    request.process_headers([(b'Host', URL.netloc.encode())] + [(n.encode(), v.encode()) for n, v in headers.items()])
    request.finish_content(True)
    linter = HttpResponseLinter(_related=request, no_content=method == 'HEAD')
    linter.process_response_topline(b'1.1', str(answer.status).encode(), answer.reason.encode())
    linter.process_headers(fields)
    linter.feed_content(content)
    linter.finish_content(True)
    return answer, fields, linter.notes

def flat(notes):
    for note in notes:
        yield note
        yield from flat(note.subnotes)

bad = warned = 0
for name, status, method, path, headers, body in CASES:
    answer, fields, notes = judge(method, path, headers, body)
    if status is not None and answer.status != status:
        bad += 1
        print(f'{name}: expected {status}, got {answer.status}')
    for note in flat(notes):
        kind = type(note).__name__
        if note.level == levels.BAD and kind not in ALLOWED:
            bad += 1
            print(f'{name}: BAD {kind}: {note.summary}')
        elif note.level == levels.WARN or note.level == levels.BAD:
            warned += 1
            if SHOW: print(f'{name}: {note.level.value} {kind}: {note.summary}')
print(f'{len(CASES)} answers, {bad} faults, {warned} warnings')
sys.exit(1 if bad else 0)
