// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"strings"
)

var count, failed int
var run = fmt.Sprintf("%08x", rand.Uint32())

func ok(good bool, name string, detail ...any) {
	count++
	word := "ok"
	if !good {
		failed++
		word = "not ok"
	}
	fmt.Printf("%s %d - %s\n", word, count, name)
	if !good && len(detail) > 0 {
		text := fmt.Sprint(detail...)
		if len(text) > 500 {
			text = text[:500]
		}
		fmt.Println("#   " + strings.ReplaceAll(text, "\n", "\n#   "))
	}
}

func equal(got, want any, name string) {
	ok(reflect.DeepEqual(got, want), name, fmt.Sprintf("got  %v\nwant %v", got, want))
}

// must ends one test with a failure; attempt goes on with the next.
func must(err error, what string) {
	if err != nil {
		panic(fmt.Sprintf("%s: %v", what, err))
	}
}

func attempt(name string, test func()) {
	defer func() {
		if problem := recover(); problem != nil {
			ok(false, name+" runs to its end", problem)
		}
	}()
	test()
}

func done() {
	fmt.Printf("1..%d\n", count)
	if failed > 0 || count == 0 {
		os.Exit(1)
	}
}

func named(text string) string { return "go-" + text + "-" + run }

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
