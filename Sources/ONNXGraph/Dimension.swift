/// A length as an expression over the model's symbolic dimensions, in a normal form so that equal expressions compare equal.
///
/// Printed and parsed as exporters write `dim_param`: `+ - * // % ( )`, integers and names, `Max(a, b)`.
public struct Dimension: Hashable, Sendable {
}
