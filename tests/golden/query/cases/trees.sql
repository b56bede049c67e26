-- tree
SELECT a + b * c - -1 % d::int, NOT a = 1 AND b OR c IS NOT NULL, x.y[0].z, f(DISTINCT a, b) FILTER (WHERE c) OVER (PARTITION BY d ORDER BY e DESC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING);
-- tree
SELECT a NOT BETWEEN 1 AND 2 AND b IN (1, 2) OR c NOT LIKE ALL ('x', 'y') AND d ILIKE 'z' ESCAPE '!', CASE a WHEN 1 THEN 'b' ELSE 'c' END, (a, b), (x, y) -> x + y, INTERVAL -3 DAYS, trim(LEADING 'a' FROM b), extract(YEAR FROM d);
-- tree
WITH q(a) AS (SELECT 1) SELECT DISTINCT t.*, * EXCEPT (b) FROM q AS t, STREAM db.s WATERMARK at DELAY OF INTERVAL 5 MINUTES AS w LEFT JOIN (VALUES (1), (2)) AS v(i) USING (i) LATERAL VIEW OUTER explode(x) l AS y WHERE a > 0 GROUP BY a, ROLLUP (b, c) HAVING count(*) > 1 ORDER BY 1 LIMIT 10 OFFSET 5;
-- tree
SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT (SELECT 4 ORDER BY 1);
-- tree
SELECT 'it''s', 'it\'s', 'a\tb' 'c', r'\d+', "double", `quoted name`.`a``b`, 1.5, .5, 1e3, 10L, 2.5BD, 1k.x, X'0aF', TIMESTAMP '2024-01-01 00:00:00' /* block /* nested */ comment */ -- line
FROM t;
