package auth_test

import (
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"eigenserve/server/auth"
)

func ExampleTokens_Admit() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "tokens.yaml")
	err = os.WriteFile(file, []byte(`tokens: [{name: ci, token: 0123456789abcdef, scopes: [read], models: ["birds-*"]}]`), 0o600)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := auth.OpenTokens(file, slog.Default())
	if err != nil {
		log.Fatal(err)
	}

	caller, err := tokens.Admit("Bearer 0123456789abcdef", auth.Read)
	fmt.Println(caller.Name(), err)
	fmt.Println(caller.CheckModel("birds-2:3"))
	fmt.Println(caller.CheckModel("fish"))
	_, err = tokens.Admit("Bearer 0123456789abcdef", auth.Admin)
	fmt.Println(err)
	// Output:
	// ci <nil>
	// <nil>
	// token "ci" is not for model "fish"
	// token "ci" lacks the scope "admin"
}
