//! The dashboards against the types that Grafana publishes, by TypeScript's compiler. Left out where there is no npm.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::grafana::generator;

/// Grafana's types, installed once in each target folder.
struct Types {
    folder: PathBuf,
}

impl Types {
    /// Or why there are none.
    fn installed() -> Result<Types, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/schema");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grafana-schema");
        std::fs::create_dir_all(&folder).unwrap();
        let lock = std::fs::read(source.join("package-lock.json")).unwrap();
        let is_installed = std::fs::read(folder.join("installed.json")).is_ok_and(|installed| installed == lock);
        for file in ["package.json", "package-lock.json", "tsconfig.json", "dashboard.ts"] {
            std::fs::copy(source.join(file), folder.join(file)).unwrap();
        }
        let types = Types { folder };
        if !is_installed {
            let output = types.run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
            if !output.status.success() {
                return Err(format!("npm has no packages for us: {}", String::from_utf8_lossy(&output.stderr)));
            }
            std::fs::write(types.folder.join("installed.json"), lock).unwrap();
        }
        Ok(types)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, String> {
        let output = Command::new(program).args(arguments).current_dir(&self.folder).output();
        output.map_err(|error| format!("there is no {program}: {error}"))
    }

    /// What the compiler says against each of them; they are compiled together, for it takes seconds to start.
    fn refused(&self, dashboards: &[(String, Value)]) -> Result<Vec<(String, String)>, String> {
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "ts") && !path.ends_with("dashboard.ts") {
                std::fs::remove_file(path).unwrap();
            }
        }
        for (name, dashboard) in dashboards {
            let text = format!(
                "import type {{ Dashboard }} from \"./dashboard\";\nexport const it: Dashboard = {dashboard:#};\n"
            );
            std::fs::write(self.folder.join(format!("{name}.ts")), text).unwrap();
        }
        let output = self.run("node", &["node_modules/typescript/bin/tsc", "-p", ".", "--pretty", "false"])?;
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = said.lines().filter_map(|line| {
            let (name, _) = line.split_once(".ts(")?;
            Some((name.to_owned(), line.to_owned()))
        });
        let errors: Vec<(String, String)> = errors.collect();
        assert_eq!(output.status.success(), errors.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(errors)
    }
}

/// Each is wrong in one place: no such place, or a value that Grafana does not know there. `null` takes the key away.
fn wrong() -> Vec<(String, Value)> {
    let boards = generator::all();
    let kind = |of: usize, kind: &str| {
        let panels = boards[of].1["panels"].as_array().unwrap();
        format!("/panels/{}", panels.iter().position(|panel| panel["type"] == kind).unwrap())
    };
    let (stat, lines, row, table) = (kind(0, "stat"), kind(0, "timeseries"), kind(0, "row"), kind(3, "table"));
    let stacked = boards[0].1["panels"].as_array().unwrap().iter();
    let stacked = stacked.map(|panel| panel["fieldConfig"]["defaults"]["custom"]["stacking"].is_object());
    let stacked = format!("/panels/{}", stacked.collect::<Vec<_>>().iter().position(|is| *is).unwrap());
    let places = [
        (0, "/links/0".to_owned(), "icon", Value::Null),
        (0, "/links/0".to_owned(), "type", json!("dashboard")),
        (0, String::new(), "schemaVersion", json!("39")),
        (0, String::new(), "graphToolTip", json!(1)),
        (0, "/time".to_owned(), "to", Value::Null),
        (1, "/templating/list/1".to_owned(), "refresh", json!(9)),
        (1, "/templating/list/1".to_owned(), "type", json!("choice")),
        (0, row.clone(), "collapsed", json!("no")),
        (0, stat.clone(), "type", json!("singlestat")),
        (0, stat.clone(), "span", json!(4)),
        (0, format!("{stat}/gridPos"), "h", Value::Null),
        (0, format!("{stat}/datasource"), "type", json!("postgres")),
        (0, format!("{stat}/options"), "textMode", Value::Null),
        (0, format!("{stat}/options"), "colorMode", json!("blue")),
        (0, format!("{stat}/options/reduceOptions"), "calcs", json!("last")),
        (0, format!("{stat}/fieldConfig/defaults"), "units", json!("s")),
        (0, format!("{stat}/fieldConfig/defaults/thresholds"), "mode", json!("relative")),
        (0, format!("{stat}/targets/0"), "expr", Value::Null),
        (0, format!("{stat}/targets/0"), "rawSql", json!("select 1")),
        (0, format!("{stat}/targets/0"), "instant", json!("yes")),
        (0, format!("{lines}/options/legend"), "showLegend", Value::Null),
        (0, format!("{lines}/options/tooltip"), "sort", json!("down")),
        (0, format!("{lines}/fieldConfig/defaults/custom"), "drawStyle", json!("curve")),
        (0, format!("{lines}/fieldConfig/defaults/custom"), "lineWith", json!(1)),
        (0, format!("{stacked}/fieldConfig/defaults/custom/stacking"), "mode", json!("sum")),
        (3, format!("{table}/options"), "frameIndex", Value::Null),
        (3, format!("{table}/targets/0"), "format", json!("tables")),
        (3, format!("{table}/targets/0"), "expr", json!("up")),
        (3, format!("{table}/fieldConfig/overrides/0/matcher"), "id", json!("byname")),
        (3, format!("{table}/fieldConfig/overrides/0/properties/0"), "value", json!([{"title": "no address"}])),
    ];
    let spoilt = places.into_iter().enumerate().map(|(number, (of, place, key, value))| {
        let mut board = boards[of].1.clone();
        let object = board.pointer_mut(&place).unwrap_or_else(|| panic!("{place}")).as_object_mut().unwrap();
        let was = if value.is_null() { object.remove(key) } else { object.insert(key.to_owned(), value) };
        let what = if was.is_some() { "changed" } else { "added" };
        (format!("wrong_{number}{}_{key}_{what}", place.replace('/', "_")), board)
    });
    spoilt.collect()
}

#[test]
fn the_dashboards_are_what_grafanas_own_types_say_and_whatever_is_not_would_be_found() {
    let right = generator::all().map(|(file, board)| (file.trim_end_matches(".json").to_owned(), board));
    let wrong = wrong();
    let refused = Types::installed().and_then(|types| types.refused(&[&right[..], &wrong[..]].concat()));
    let refused = match refused {
        Ok(refused) => refused,
        Err(reason) => {
            eprintln!("left out: {reason}");
            return;
        }
    };
    let of_the_right: Vec<&String> =
        refused.iter().filter(|(name, _)| right.iter().any(|(right, _)| right == name)).map(|(_, said)| said).collect();
    assert!(of_the_right.is_empty(), "{of_the_right:#?}");
    let names: BTreeSet<&String> = refused.iter().map(|(name, _)| name).collect();
    let passed: Vec<&String> = wrong.iter().map(|(name, _)| name).filter(|name| !names.contains(name)).collect();
    assert!(passed.is_empty(), "not found to be wrong: {passed:#?}");
}
