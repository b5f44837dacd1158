package configs

import "slices"

var secretForms = []choice[string]{{"file", "file"}, {"fd", "fd"}, {"env", "env"}}

// secrets reads the files whose content reaches a process alone.
func (t table) secrets() []Secret {
	const form = `a table like { DB_PASSWORD = { file = "db.pw" } }`
	value, found := t.values["secret"]
	if !found {
		return nil
	}
	values, ok := value.(map[string]any)
	if !ok {
		t.conceal("secret")
		t.fault("secret", nil, "secret is no table: expected %s", form)
		return nil
	}
	env, _ := t.values["env"].(map[string]any)
	all := t.below("secret", "secret", values)
	var secrets []Secret
	for _, name := range all.keys() {
		values, ok := values[name].(map[string]any)
		_, twice := env[name]
		if !ok {
			all.conceal(name)
		}
		switch {
		case !variableName(name):
			all.fault(name, nil, "secret has the name %s: expected the name of a variable, of A-Z a-z 0-9 _ and not beginning with a digit", show(name))
		case withheld(name):
			all.fault(name, nil, "secret has the name %s, which coppice itself gives a value: expected another one", name)
		case twice:
			all.fault(name, nil, "%s is a secret and stands in env as well", name)
		case !ok:
			all.fault(name, nil, "the secret %s has a value: expected { file = \"…\" }, for it does not belong into this file", name)
		default:
			if s, ok := all.below(name, name, values).secret(name); ok {
				secrets = append(secrets, s)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b Secret) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return secrets
}

func (t table) secret(name string) (Secret, bool) {
	for _, key := range t.keys() {
		if key != "file" && key != "as" {
			t.conceal(key)
		}
	}
	t.unknown([]string{"file", "as"}, nil)
	s := Secret{Name: name, As: oneOf(t, "as", secretForms, "file")}
	text, ok := t.text("file", "the path of a file")
	if _, found := t.values["file"]; !found {
		t.faultAt(t.at.value, nil, "the secret %s has no file", name)
	}
	if ok {
		s.File, ok = t.path("file", text)
	}
	return s, ok
}

// conceal keeps the value of a key, which seems to be a secret, out of all that is shown.
func (t table) conceal(key string) { t.main.secret = append(t.main.secret, t.span(key)) }

// variableName says whether a shell could use a variable of this name.
func variableName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len(name) <= nameBytesMax
}
