-- input
'2024-1-5'::date
'20240105'::date
'240105'::date
'Jan 5 2024'::date
'5 January 2024'::date
'1/5/2024'::date
'2024-060'::date
'J2451187'::date
'epoch'::timestamp
'infinity'::date
'-infinity'::timestamptz
'2023-02-29'::date
'1900-02-29'::date
'2000-02-29'::date
'0001-01-01 BC'::date
'0000-01-01'::date
'5874897-12-31'::date
'5874898-01-01'::date
'294277-01-01'::timestamp
'4713-01-01 BC'::date
'4715-01-01 BC'::date
'24:00'::time
'24:00:01'::time
'23:59:60'::time
'12:30 PM'::time
'04:05:06.7891234'::time
'2024-01-01 10:00:00.1234567'::timestamp
'2024-01-01T10:00:00Z'::timestamptz
'2024-01-01 10:00:00+05:30'::timestamptz
'2024-01-01 10:00:00-08'::timestamp
'2024-03-31 02:30 Europe/Berlin'::timestamptz
'2024-10-27 02:30 Europe/Berlin'::timestamptz
'2024-07-01 12:00 America/New_York'::timestamptz
'2024-07-01 12:00 EST'::timestamptz
'2024-07-01 12:00 Nowhere/City'::timestamptz
'Mon Jan 01 10:00:00 2024'::timestamp
-- date arithmetic
s.dt + 1
s.dt - 1
1 + s.dt
s.dt - s.dt
s.dt - '2024-01-01'
s.dt - date '2023-02-28'
date '2024-03-01' - date '2024-02-01'
s.dt + s.i2
e.dt + 1000000
e.dt + 2147483647
e.dt - e.leap
s.dt + 1.5
s.dt + s.i8
s.dt + s.tm
s.tm + s.dt
s.dt + time '10:00'
s.dt * 2
s.dt - s.ndt
'infinity'::date + 1
'infinity'::date - date '2024-01-01'
-- interval input and print
'1 day'::interval
'1 day 2 hours 3 minutes 4.5 seconds'::interval
'1 year 2 mons 3 days 04:05:06'::interval
'-1 day'::interval
'1 day ago'::interval
'1 mon -1 day'::interval
'-1 mon +1 day -00:00:01'::interval
'P1Y2M3DT4H5M6S'::interval
'P1W'::interval
'PT36H'::interval
'P0001-02-03T04:05:06'::interval
'1-2'::interval
'1-2 3 4:05:06'::interval
'3 4:05'::interval
'04:05'::interval
'04:05:06.789'::interval
'-04:05'::interval
'1.5 days'::interval
'1.5 months'::interval
'1.5 years'::interval
'0.5 weeks'::interval
'1.1 hours'::interval
'2 weeks'::interval
'1 decade 1 century'::interval
'1 millennium'::interval
'100 ms'::interval
'15 us'::interval
'90 minutes'::interval
'25 hours'::interval
'13 months'::interval
'40 days'::interval
'1 h 2 m'::interval
'1d2h'::interval
'@ 1 minute'::interval
'0'::interval
'5'::interval
'1.5'::interval
''::interval
'abc'::interval
'1 fortnight'::interval
'infinity'::interval
'1 day 1 day'::interval
'999999999999 years'::interval
'178000000 years'::interval
'178956970 years 7 mons'::interval
'178956971 years'::interval
'2147483647 days'::interval
'2147483648 days'::interval
'1 day -2 hours'::interval
'-1 year +2 mons'::interval
'00:00:00.000001'::interval
'-0.000001 s'::interval
interval '1 day'
interval '7' day
interval '1' year
interval '1:30' hour to minute
interval '1 day 02:03:04' hour
make_interval(days => 10)
make_interval(1, 2, 3, 4, 5, 6, 7.5)
make_interval(0, 0, 0, 7)
-- interval arithmetic
s.ts + interval '1 month'
s.ts + interval '1 mon 1 day'
s.ts - interval '1 month'
s.ts + '1 day'::interval
s.ts + '1 day'
s.tz + interval '1 day'
s.tz - interval '7 days'
s.tz + '24 hours'::interval
s.tz + interval '1 year'
interval '1 day' + s.tz
interval '1 day' + s.dt
s.dt + interval '1 month'
s.dt - interval '1 day'
s.dt + interval '1 year'
date '2024-01-31' + interval '1 month'
date '2023-01-31' + interval '1 month'
date '2024-03-31' - interval '1 month'
date '2024-02-29' + interval '1 year'
date '2024-02-29' - interval '4 years'
timestamp '2024-01-31 12:00' + interval '1 month 1 day 1 hour'
timestamp '2024-03-01' - interval '1 month 1 day'
timestamp '0001-01-01' - interval '1 day'
timestamp '0001-03-01' - interval '1 year'
e.ts - interval '1 year'
e.tz - interval '7000 years'
e.inf_ts + interval '1 day'
e.inf_ts - s.ts
s.tm + interval '2 hours'
s.tm + interval '20 hours'
s.tm - interval '20 hours'
s.tm + interval '1 month'
interval '1 hour' + s.tm
s.tm - s.tm
s.tm - time '10:00'
s.ts - timestamp '2024-01-01'
s.ts - timestamp '2025-01-01'
s.tz - timestamptz '2024-01-01 00:00+00'
s.tz - s.ts
s.ts - s.dt
s.dt - s.ts
s.ts - s.ts
interval '1 day' + interval '25 hours'
interval '1 mon' - interval '31 days'
interval '1 day' * 2
interval '1 day' * 1.5
interval '1 mon' * 0.5
interval '1 year' / 2
interval '1 mon' / 3
interval '1 day' / 7
interval '1 hour' / 0
2 * interval '1 day'
0.5 * interval '1 day'
interval '1 day' * s.i4
interval '1 day' * s.d
-interval '1 day 2 hours'
- '1 mon'::interval
interval '30 days' = interval '1 month'
interval '24 hours' = interval '1 day'
interval '1 month' > interval '29 days'
interval '1 year' > interval '364 days'
interval '1 day' < interval '23 hours'
interval '-1 day' < interval '0'
interval '1 mon' between interval '28 days' and interval '31 days'
interval '1 day' in ('24:00', '2 days')
greatest(interval '1 mon', interval '31 days')
nullif(interval '1 day', interval '24 hours')
coalesce(null::interval, interval '5 minutes')
interval '1 day'::text
interval '1 day 03:04:05.678'::text || '!'
interval '1 day'::time
interval '36 hours'::time
interval '1 day' = '1 day'
s.tz + s.i4 * interval '1 minute'
s.ts + (s.i2 || ' days')::interval
s.nts + interval '1 day'
s.ts + null::interval
now() - interval '7 days' < now()
now() + interval '1 mon' > now()
now() = current_timestamp
current_date = now()::date
current_date + 1 > current_date
localtimestamp = now()::timestamp
current_time is not null
extract(epoch from now()) > 1600000000
clock_timestamp() >= now()
-- extract
extract(year from s.dt)
extract(month from s.ts)
extract(day from s.tz)
extract(hour from s.ts)
extract(minute from s.tm)
extract(second from s.tm)
extract(second from s.ts)
extract(milliseconds from s.ts)
extract(microseconds from s.tm)
extract(epoch from s.tz)
extract(epoch from s.ts)
extract(epoch from s.dt)
extract(epoch from s.tm)
extract(epoch from interval '1 day 1 hour')
extract(epoch from interval '1 mon')
extract(epoch from interval '1 year')
extract(epoch from interval '-1.5 seconds')
extract(dow from s.dt)
extract(isodow from s.dt)
extract(doy from s.dt)
extract(week from date '2021-01-03')
extract(isoyear from date '2021-01-03')
extract(week from date '2020-12-31')
extract(quarter from s.dt)
extract(century from s.dt)
extract(century from date '2000-12-31')
extract(century from e.dt)
extract(decade from e.dt)
extract(millennium from s.dt)
extract(year from e.dt)
extract(julian from s.dt)
extract(julian from s.ts)
extract(day from interval '40 days 1 hour')
extract(month from interval '13 months')
extract(year from interval '-13 months')
extract(hour from interval '25 hours')
extract(quarter from interval '7 months')
extract(second from interval '1:02:03.456')
extract(timezone from s.tz)
extract(timezone_hour from s.tz)
extract(hour from s.dt)
extract(dow from s.tm)
extract(dow from interval '1 day')
extract(year from e.inf_ts)
extract(epoch from e.inf_ts)
extract(month from e.inf_ts)
extract(fortnight from s.ts)
extract(year from s.nts)
extract('year' from s.ts)
date_part('year', s.ts)
date_part('epoch', s.ts)
date_part('second', s.ts)
date_part('dow', s.dt)
date_part('day', interval '3 days')
date_part('hour', s.dt)
date_part('bogus', s.ts)
date_part('YEAR', s.tz)
-- date_trunc
date_trunc('year', s.ts)
date_trunc('quarter', s.ts)
date_trunc('month', s.ts)
date_trunc('week', s.ts)
date_trunc('day', s.ts)
date_trunc('hour', s.tz)
date_trunc('minute', s.ts)
date_trunc('second', s.ts)
date_trunc('milliseconds', s.ts)
date_trunc('microseconds', s.ts)
date_trunc('decade', s.ts)
date_trunc('century', s.ts)
date_trunc('millennium', s.ts)
date_trunc('month', s.dt)
date_trunc('week', date '2024-01-01')
date_trunc('week', date '2023-01-01')
date_trunc('day', s.tz, 'Europe/Berlin')
date_trunc('month', interval '1 year 2 mons 3 days')
date_trunc('hour', interval '1 day 02:03:04')
date_trunc('day', s.tm)
date_trunc('fortnight', s.ts)
date_trunc('year', e.inf_ts)
date_trunc('month', s.ts)::date
date_trunc('Day', s.nts)
date_bin('15 minutes', s.ts, timestamp '2001-01-01')
-- age
age(s.ts, timestamp '2023-02-28')
age(timestamp '2001-04-10', timestamp '1957-06-13')
age(timestamp '2024-03-01', timestamp '2024-01-31')
age(timestamp '2024-01-31', timestamp '2024-03-01')
age(timestamp '2023-03-31', timestamp '2023-02-28')
age(s.tz, timestamptz '2020-02-29 00:00+00')
age(s.dt, date '2000-02-29')
age(s.dt, s.dt)
age(s.dt) is not null
-- zones
s.ts at time zone 'UTC'
s.tz at time zone 'UTC'
s.tz at time zone 'Europe/Berlin'
s.tz at time zone 'America/New_York'
s.ts at time zone 'Europe/Berlin'
timestamp '2024-03-31 02:30' at time zone 'Europe/Berlin'
timestamp '2024-10-27 02:30' at time zone 'Europe/Berlin'
timestamptz '2024-10-27 00:30+00' at time zone 'Europe/Berlin'
timestamptz '2024-10-27 01:30+00' at time zone 'Europe/Berlin'
s.tz at time zone 'EST'
s.tz at time zone 'utc+3'
s.tz at time zone '+02:00'
s.tz at time zone interval '2 hours'
s.tz at time zone 'Nowhere/City'
s.tz at time zone s.t
s.ntz at time zone 'Europe/Berlin'
(s.tz at time zone 'Europe/Berlin')::date
e.inf_ts at time zone 'Europe/Berlin'
timezone('Asia/Kolkata', s.tz)
timezone('UTC', s.ts)
s.tm at time zone 'UTC'
s.tz at time zone 'Asia/Kathmandu'
timestamptz '1900-01-01 00:00+00' at time zone 'America/New_York'
-- making and printing
make_date(2024, 2, 29)
make_date(2023, 2, 29)
make_date(-44, 3, 15)
make_date(0, 1, 1)
make_date(s.i2 + 2000, 1, s.ni)
make_time(8, 15, 23.5)
make_time(24, 0, 0)
make_time(25, 0, 0)
make_timestamp(2024, 2, 29, 8, 15, 23.5)
make_timestamp(2024, 13, 1, 0, 0, 0)
make_timestamptz(2024, 2, 29, 8, 15, 23.5)
make_timestamptz(2024, 7, 1, 12, 0, 0, 'Europe/Berlin')
to_timestamp(0)
to_timestamp(1700000000.5)
to_timestamp(s.d)
to_timestamp(-1e10)
to_char(s.ts, 'YYYY-MM-DD HH24:MI:SS')
to_char(s.dt, 'DD.MM.YYYY')
to_char(s.ts, 'Day, DD Month YYYY')
to_char(s.ts, 'FMDay, FMDD FMMonth YYYY')
to_char(s.tz, 'YYYY-MM-DD"T"HH24:MI:SS.MS')
to_char(s.ts, 'HH12:MI:SS AM')
to_char(s.ts, 'Q WW IW IYYY DDD D ID J')
to_char(s.ts, 'YY MON mon Dy US SSSS')
to_char(s.dt, 'YYYY-MM')
to_char(interval '1 day 02:03:04', 'HH24:MI:SS')
to_char(1234.5, '9999.99')
to_char(s.i4, 'FM000')
to_char(1234567.891, 'FM999,999,999.00')
to_date('2024-02-29', 'YYYY-MM-DD')
to_timestamp('2024-02-29 10:00', 'YYYY-MM-DD HH24:MI')
to_number('12,454.8-', '99G999D9S')
justify_days(interval '35 days')
justify_hours(interval '27 hours')
justify_interval(interval '1 mon -1 hour')
isfinite(s.ts)
isfinite(e.inf_ts)
isfinite(date 'infinity')
isfinite(interval '1 day')
(s.ts, s.ts) overlaps (s.ts, s.ts)
-- comparison
s.dt < s.ts
s.dt = timestamp '2024-02-29 00:00:00'
s.ts < s.tz
s.dt between '2024-01-01' and '2024-12-31'
s.dt in ('2024-02-29', '2024-03-01')
s.dt > '2024-02-28'
s.tz = '2024-03-31 02:30+02'
s.tm < '14:00'
s.tm > s.ts
e.inf_ts > s.ts
e.dt < s.dt
s.dt = s.t
to_char(s.ts, 'DDth Mon')
to_char(timestamp '2024-01-11', 'FMDDth "of" Month')
to_char(timestamp '2024-01-22', 'FMDDTH')
to_char(e.dt, 'YYYY BC CC')
to_char(s.ts, 'yyyy/mm/dd hh:mi a.m.')
to_char(s.ts, 'FF1 FF2 FF3 FF6 W I IY IYY IDDD')
to_char(e.inf_ts, 'YYYY')
to_char(s.ts, '')
to_char(s.ts, 'no words x \"q\" "YYYY"')
to_char(s.tz, 'TZ')
to_char(s.ts, 'RM')
to_char(s.ts, 'HH12:MI P.M. SSSSS Y,YYY')
to_char(timestamp '2021-01-03', 'IYYY-IW-ID YYYY-WW-D')
to_char(s.nts, 'YYYY')
make_interval(years => 1, secs => 1.5)
make_interval(months := 2, hours => -3)
