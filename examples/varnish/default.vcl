# Varnish (7.1 or later, with varnish-modules for xkey) in front of Pando. The settings that go with it, in pando.toml:
#
#   [responses]
#   tables = { "public.todos" = "strict, cdn 60" }
#   [cdn]
#   driver = "varnish"
#   urls = ["http://127.0.0.1:6081"]      # where this Varnish listens; all of them if there are several
#   wait = ["public.todos"]               # writes are acknowledged once the older answers are gone
#   [server]
#   trusted_proxies = ["127.0.0.1"]       # so that limits count clients and not Varnish
#
# docs/cdn.md says what it guarantees, and why each part is here.
vcl 4.1;

import std;
import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "8000";
}

# Who may purge: the machines that Pando runs on.
acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403));
        }
        if (!req.http.xkey-purge) {
            return (synth(400));
        }
        # Whole, not soft: what was purged is never shown again, not even for a moment.
        set req.http.purged = xkey.purge(req.http.xkey-purge);
        return (synth(200));
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # PostgREST's ranges are of rows. Varnish would take them for ranges of bytes, so it does not see them.
    unset req.http.pando-range;
    if (req.http.Range) {
        set req.http.pando-range = req.http.Range;
        unset req.http.Range;
        return (pass);
    }
    # Pando says of each answer whether it may be kept, and Vary has the key and the token in it: who is signed in shares nothing with
    # anybody. Varnish itself would keep no answer to a request with a token or cookies.
    return (hash);
}

sub vcl_backend_fetch {
    if (bereq.http.pando-range) {
        set bereq.http.Range = bereq.http.pando-range;
        unset bereq.http.pando-range;
    }
    # To find out how long the answer will have been on its way.
    set bereq.http.pando-began = std.time2real(now, 0.0);
}

sub vcl_backend_response {
    # One of rows as well, which Varnish would refuse.
    set beresp.http.pando-content-range = beresp.http.Content-Range;
    unset beresp.http.Content-Range;
    # Never an older answer while a newer one is fetched.
    set beresp.grace = 0s;
    set beresp.keep = 0s;
    # Pando purges what it read from once more when 0.2 s (cdn.settle_ms) have passed since the answer left. One that was longer on its way
    # than half of that might be kept after it: it is shown, and not kept.
    if (beresp.status == 200 && beresp.http.xkey && beresp.http.CDN-Cache-Control ~ "^max-age=[0-9]+$"
        && now - std.real2time(std.real(bereq.http.pando-began, 0.0), now)
            < std.duration(beresp.http.Pando-Elapsed + "s", 0s) + 0.1s) {
        set beresp.ttl = std.duration(regsub(beresp.http.CDN-Cache-Control, "^max-age=", "") + "s", 0s);
    } else {
        # Others who ask the same meanwhile do not wait for it.
        set beresp.uncacheable = true;
        set beresp.ttl = 1s;
    }
    return (deliver);
}

sub vcl_deliver {
    if (resp.http.pando-content-range) {
        set resp.http.Content-Range = resp.http.pando-content-range;
    }
    unset resp.http.pando-content-range;
    # These are between Pando and Varnish.
    unset resp.http.xkey;
    unset resp.http.Surrogate-Control;
    unset resp.http.CDN-Cache-Control;
    unset resp.http.Pando-Elapsed;
    if (obj.hits > 0) {
        set resp.http.Varnish = "hit";
    }
}
