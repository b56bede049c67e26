-- Each quake as it was reported last.
CREATE STREAMING TABLE events AS
SELECT id,
       timestamp_millis(properties.time)    AS happened_at,
       timestamp_millis(properties.updated) AS updated_at,
       properties.mag                       AS magnitude,
       properties.place                     AS place,
       get(geometry.coordinates, 0)         AS longitude,
       get(geometry.coordinates, 1)         AS latitude,
       get(geometry.coordinates, 2)         AS depth_km,
       coalesce(properties.felt, 0)         AS felt,
       properties.tsunami = 1               AS tsunami,
       properties.status                    AS status
FROM STREAM quakes
WHERE properties.type = 'earthquake';

-- Strong ones by network and time, for reading in order. One that is corrected to below 4.5 stays, as
-- it was reported before: a streaming table takes no row away.
CREATE STREAMING TABLE strong AS
SELECT properties.net                       AS net,
       timestamp_millis(properties.time)    AS happened_at,
       id,
       properties.mag                       AS magnitude,
       upper(properties.place)              AS place
FROM STREAM quakes
WHERE properties.mag >= 4.5 AND properties.type = 'earthquake';

-- Brought up to date whenever strong quakes come in.
CREATE MATERIALIZED VIEW networks AS
SELECT net, count(*) AS quakes, max(magnitude) AS strongest, max_by(place, magnitude) AS place,
       max(happened_at) AS newest
FROM strong
GROUP BY net;
