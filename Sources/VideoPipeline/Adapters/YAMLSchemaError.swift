/// A YAML file that does not follow its schema: file, line, and what is wrong.
public struct YAMLSchemaError: Error, Equatable, Sendable {
  public let file: String
  /// Counted from 1; nil where the file as a whole is meant.
  public let line: Int?
  public let what: String

  public init(file: String, line: Int?, what: String) {
    self.file = file
    self.line = line
    self.what = what
  }

  public var message: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(what)." }
  /// EX_CONFIG.
  public var exitCode: Int32 { 78 }
}
