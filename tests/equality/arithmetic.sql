-- integers
1 + 1
s.i4 + 1
s.i4 - 100
s.i2 + s.i2
s.i2 + s.i4
s.i4 + s.i8
s.i2 * 1000
s.i4 * 2.5
s.i8 * s.i8
e.i4 + 1
e.i4 + 1::bigint
e.i4 * 2
e.i2 + 1::smallint
e.i2 + 1
e.i2 * e.i2
e.i8 + 1
e.i8 - -1
e.i8n - 1
e.i8 * 2
e.i8n * -1
-e.i8n
-e.i8
abs(e.i8n)
abs(s.i4)
abs(s.i2)
7 / 2
-7 / 2
7 / -2
s.i4 / 5
s.i4 % 5
-s.i4 % 5
s.i4 % -5
e.i8n / -1
e.i8n % -1
s.i4 / e.zero
s.i4 % e.zero
s.n / e.zero
s.n % e.zero
s.d / e.zero
1 / 0
1.0 / 0
s.i2 / s.i2
s.i2 / 2::smallint
e.i4 / 2.0
mod(s.i4, 5)
mod(-7, 3)
mod(s.n, 5)
mod(s.i8, 7)
mod(s.i4, 0)
div(7.5, 2)
div(s.n, 5)
div(-7.5, 2)
s.i4 + s.ni
s.ni * 0
s.n + s.nn
2147483648
-2147483648
9223372036854775807
9223372036854775808
-9223372036854775808
2147483647 + 1
-2147483648 - 1
0x1F
-(-(s.i4))
- s.i4
+ s.i4
2 ^ 10
2 ^ -1
2 ^ 0.5
s.i4 & 6
s.i4 | 1
s.i4 # 3
~s.i4
s.i4 << 2
s.i4 >> 1
@ s.i4
|/ 16.0
-- numeric
0.1 + 0.2
s.n + s.n82
s.n - s.n82
s.n * s.n82
s.n / s.n82
s.n82 / s.n
s.n % s.n82
1.10 + 2.2
1.10 - 1.1
1.0 * 1.0
1.00 = 1
10 / 3.0
10.0 / 3
1 / 3.0
2 / 3.0
-2 / 3.0
1e10 / 3
1.5e-7 * 2
1 / 1e10
e.n + 1
e.n * e.n
e.n / 7
e.n / e.tiny
e.tiny * e.tiny
e.tiny / 3
e.tiny - e.tiny
e.nan + 1
e.nan = e.nan
e.nan > e.inf
e.inf + 1
e.inf - e.inf
e.inf * 0
e.inf / e.inf
1 / e.inf
-e.inf
-s.n
-(0.0)
abs(-1.50)
abs(s.n)
sign(-3.7)
sign(s.i4)
sign(0.0)
sign(s.d)
round(2.5)
round(-2.5)
round(3.5)
round(s.n)
round(1.005, 2)
round(-1.005, 2)
round(2.5::double precision)
round(3.5::double precision)
round(-0.5::double precision)
round(1234.5678, -2)
round(1234.5678, 6)
round(50, -2)
round(49, -2)
round(s.n82, 1)
round(e.nan, 2)
round(e.inf, 2)
round(s.i4)
trunc(2.7)
trunc(-2.7)
trunc(1234.5678, 2)
trunc(-1234.5678, -2)
trunc(s.d)
trunc(s.n, 1)
floor(2.7)
floor(-2.7)
floor(-0.5)
floor(s.i4)
floor(s.d)
floor(e.inf)
ceil(2.1)
ceil(-2.1)
ceiling(-0.5)
ceil(s.n82)
ceil(-0.5::double precision)
s.n82 * 100
s.n82 + 0.001
power(2, 10)
power(2.0, 3)
power(2.0, -3)
power(s.d, 2)
power(0, 0)
power(0::double precision, -1)
power(-8::double precision, 1.0/3)
sqrt(2)
sqrt(16.0)
sqrt(-1)
sqrt(s.d)
exp(1)
ln(10)
log(100)
cbrt(27)
pi()
gcd(12, 18)
lcm(4, 6)
factorial(5)
scale(1.50)
min_scale(1.500)
trim_scale(1.500)
width_bucket(5.35, 0.024, 10.06, 5)
-- floating point
0.1::double precision + 0.2::double precision
s.d + s.d
s.d * 3
s.d + s.n
s.r + s.r
s.r * 2
s.r + s.d
s.r + 1
s.r + s.n
s.r / 3::real
s.d / 3
e.d * 2
e.d + e.d
-e.dz
e.dz
e.dz = 0
e.dz + 0
s.d - s.d
-s.d
abs(-0.0::double precision)
1e308::double precision * 10
1e-308::double precision / 1e10
1e-300::double precision * 1e-300::double precision
'Infinity'::double precision - 1
'Infinity'::double precision * 0
'Infinity'::double precision - 'Infinity'::double precision
'NaN'::double precision
'-Infinity'::double precision < 0
s.d % 2
1e15::double precision
1e16::double precision
123456789012345678::double precision
0.00001::double precision
0.0001::double precision
1e-7::real
16777217::real
3.4e38::real * 10
s.r = 1.5
0.1::real = 0.1
0.1::real = 0.1::double precision
0.1::real::double precision
greatest(1, 2.5, 2)
greatest(s.i4, s.n)
greatest(s.i4, s.ni)
least(1, 2.5, null)
least(s.ni, s.ni)
greatest('a', 'B')
greatest(s.dt, s.ts)
least(e.nan, 1)
greatest(e.nan, 1)
random() < 0
