package process

import (
	"fmt"
	"strings"

	"coppice/supervisor/trampoline"
)

// hidden says by which key of the tree file a set-up keeps a path from a process, and
// that in words; "": by none.
func hidden(spec *trampoline.Spec, path string) (key, words string) {
	below := func(folder string) bool {
		return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
	}
	for _, v := range spec.Views {
		if v.Kind == "inaccessible" && below(v.Path) {
			return v.Kind, fmt.Sprintf("%s is hidden by inaccessible (or by sandbox, which sets it)", v.Path)
		}
	}
	if spec.PrivateTmp && (below("/tmp") || below("/var/tmp")) {
		return "private_tmp", "it is hidden by private_tmp (or by sandbox, which sets it)"
	}
	return "", ""
}
