//! Enums whose variants have a name: the text used for them in the database, in JSON and in logs.

/// The text is not the name of any variant. Holds the column (`table.column`) whose names the enum declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no such name")]
pub struct UnknownName(pub &'static str);

/// Declares an enum whose variants have names: `names! { "table.column"; pub enum Status { Queued = "queued", … } }`.
/// The column is where the database stores the names; [`crate::store`] implements reading and writing the type for both
/// databases.
macro_rules! names {
    (
        $column:literal;
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All variants, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name used in the database, in JSON and in logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::base::names::UnknownName;

            fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::base::names::UnknownName($column)),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use names;
