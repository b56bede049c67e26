SELECT struct(i, s AS q).q, (i, d).col1, named_struct('a', 1).a, extract(YEAR FROM ts), trim(BOTH 'a' FROM s), substring(s FROM 1 FOR 1), date_add(dt, 1), split(s, ',')[0] FROM t
