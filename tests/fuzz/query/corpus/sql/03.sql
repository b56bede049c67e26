SELECT count(*), sum(i), avg(d), min(s), max(c), first(ts), collect_list(i), min_by(s, i), stddev(d), count(DISTINCT s) FILTER (WHERE b) FROM t GROUP BY b, i % 2 HAVING count(*) > 0 ORDER BY 1
