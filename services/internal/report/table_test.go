package report

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	people := table{columns: []column{{head: "Name"}, {head: "age"}, {head: "size", drop: 1}, {head: "shoe", drop: 2}, {left: true}}}
	people.add("Grace Brewster Murray", "85", "1.68 m", "37", "admiral")
	people.add("Ada", "36", "1.65 m", "36", "")
	people.below("Countess of Lovelace")
	for _, tt := range []struct {
		name  string
		width int
		want  []string
	}{
		{"all fits", 80, []string{
			"Name                   age    size  shoe",
			"Grace Brewster Murray   85  1.68 m    37  admiral",
			"Ada                     36  1.65 m    36",
			"    Countess of Lovelace",
		}},
		{"one column goes", 48, []string{
			"Name                   age    size",
			"Grace Brewster Murray   85  1.68 m  admiral",
			"Ada                     36  1.65 m",
			"    Countess of Lovelace",
		}},
		{"both go, and the first is cut", 32, []string{
			"Name                age",
			"Grace Brewster Mu…   85  admiral",
			"Ada                  36",
			"    Countess of Lovelace",
		}},
		{"as narrow as it gets", 1, []string{
			"Name              age",
			"Grace Brewster…    85  admiral",
			"Ada                36",
			"    …",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := people.lines(tt.width, palette{}); !slices.Equal(got, tt.want) {
				t.Errorf("lines(%d) is\n%s\nwant\n%s", tt.width, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestTableWithoutRows(t *testing.T) {
	t.Parallel()
	if got := (&table{columns: []column{{}, {}}}).lines(80, palette{}); len(got) != 0 {
		t.Errorf("lines() = %q, want none", got)
	}
}
