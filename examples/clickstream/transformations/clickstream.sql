-- Every event once: a repeated event_id replaces its row.
CREATE STREAMING TABLE events AS
SELECT event_id, user_id, lower(event_type) AS event_type, `timestamp` AS happened_at,
       page.url AS url, coalesce(page.title, '') AS title,
       CASE WHEN page.referrer LIKE '%://%' THEN split_part(split_part(page.referrer, '://', 2), '/', 1)
            ELSE 'direct' END AS referrer_host,
       properties['campaign'] AS campaign, size(items) AS item_count
FROM STREAM raw_events
WHERE user_id IS NOT NULL;

-- One row for each item that was bought.
CREATE STREAMING TABLE purchases AS
SELECT event_id, user_id, `timestamp` AS happened_at, pos AS position, item.sku AS sku,
       item.price AS price, item.count AS count, item.price * item.count AS amount
FROM STREAM raw_events
LATERAL VIEW posexplode(items) x AS pos, item
WHERE lower(event_type) = 'purchase';

-- Brought up to date whenever purchases change.
CREATE MATERIALIZED VIEW sales AS
SELECT sku, count(*) AS purchases, sum(count) AS pieces, sum(amount) AS amount,
       max(happened_at) AS last_sold_at
FROM purchases
GROUP BY sku;
