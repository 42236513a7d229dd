package wire

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// oneOf is the option with the number of an enum's value; 0, which is not given, is 0.
func oneOf[E protoreflect.Enum, O ~int32](c *checker, at, name string, value E, known []O) O {
	option := O(value.Number())
	if option != 0 && !slices.Contains(known, option) {
		c.addf(at, name, "%d is none of %s that is known here; use %s, or leave it out",
			option, value.Descriptor().Name(), listValues(value.Descriptor().Values()))
	}
	return option
}

// listValues is the values of an enum but 0, as in A, B or C.
func listValues(values protoreflect.EnumValueDescriptors) string {
	var names []string
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 {
			names = append(names, string(v.Name()))
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
