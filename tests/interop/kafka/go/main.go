// SPDX-License-Identifier: MIT
// Go's clients of Kafka: interop franz|segmentio|sarama BOOTSTRAP. Prints TAP.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: interop franz|segmentio|sarama BOOTSTRAP")
		os.Exit(2)
	}
	tests := map[string]func(string){"franz": franz, "segmentio": segmentio, "sarama": shopify}
	tests[os.Args[1]](os.Args[2])
	done()
}
