SELECT transform(a, x -> x + i), filter(a, (x, k) -> x > k), aggregate(a, 0, (p, q) -> p + q, r -> r * 2), exists(a, x -> x = 1), transform_values(m, (k, v) -> v + 1) FROM t
