SELECT CASE WHEN i = 0 THEN 1 / i WHEN s = 'x' THEN 2 ELSE 3 END, coalesce(s, 'n', 1), if(b, i, l), nullif(i, 0), CASE i WHEN 1 THEN 'a' END FROM t
