import Yams

/// A value of a YAML file that is read by a fixed schema: unknown keys, wrong types, anchors and tags are errors with
/// their line. Adapters and recipes come from strangers, so nothing is guessed and nothing can grow by aliases.
public struct YAMLValue {
  let node: Node
  public let file: String
  /// Where in the document, such as `sampler.kind`.
  public let path: String

  static let maximumBytes = 1 << 20

  /// - Throws: `YAMLSchemaError` where the text is no YAML, has anchors, or is larger than 1 MiB.
  public static func document(_ text: String, file: String) throws(YAMLSchemaError) -> YAMLValue {
    guard text.utf8.count <= maximumBytes else {
      throw YAMLSchemaError(file: file, line: nil, what: "is larger than 1 MiB, which no such file needs to be")
    }
    try refuseAnchors(text, file: file)
    let node: Node?
    do {
      node = try Yams.compose(yaml: text)
    } catch let error as YamlError {
      throw YAMLSchemaError(file: file, line: error.line, what: "is not YAML: \(error.problem)")
    } catch {
      throw YAMLSchemaError(file: file, line: nil, what: "is not YAML: \(error)")
    }
    guard let node else { throw YAMLSchemaError(file: file, line: nil, what: "is empty") }
    return YAMLValue(node: node, file: file, path: "")
  }

  public var line: Int? { node.mark?.line }

  public func failure(_ what: String) -> YAMLSchemaError {
    YAMLSchemaError(file: file, line: line, what: path.isEmpty ? what : "\(path): \(what)")
  }

  /// The keys of a mapping, of which all in `required` are there and no others than those in `optional`.
  public func object(
    required: [String], optional: [String] = []
  ) throws(YAMLSchemaError) -> [String: YAMLValue] {
    var found: [String: YAMLValue] = [:]
    for (key, value) in try entries() {
      guard required.contains(key) || optional.contains(key) else {
        let known = (required + optional).joined(separator: ", ")
        throw value.failure("unknown key; the keys here are \(known)")
      }
      found[key] = value
    }
    for key in required where found[key] == nil { throw failure("the key '\(key)' is missing") }
    return found
  }

  /// The entries of a mapping with free keys, in the file's order. A value's line is its key's.
  public func entries() throws(YAMLSchemaError) -> [(key: String, value: YAMLValue)] {
    guard case .mapping(let mapping) = node else { throw failure("should be a mapping of keys to values") }
    var result: [(key: String, value: YAMLValue)] = []
    var seen: Set<String> = []
    for (key, value) in mapping {
      guard case .scalar(let scalar) = key else { throw failure("a key should be a plain word") }
      let child = YAMLValue(node: value, file: file, path: path.isEmpty ? scalar.string : "\(path).\(scalar.string)")
      guard seen.insert(scalar.string).inserted else { throw child.failure("is given twice") }
      result.append((scalar.string, child))
    }
    return result
  }

  public func array() throws(YAMLSchemaError) -> [YAMLValue] {
    guard case .sequence(let sequence) = node else { throw failure("should be a list") }
    return sequence.enumerated().map { YAMLValue(node: $1, file: file, path: "\(path)[\($0)]") }
  }

  public var isArray: Bool { if case .sequence = node { true } else { false } }
  public var isMapping: Bool { if case .mapping = node { true } else { false } }

  public func string() throws(YAMLSchemaError) -> String {
    guard case .scalar(let scalar) = node else { throw failure("should be a single value") }
    return scalar.string
  }

  public func integer(in range: ClosedRange<Int> = .min ... .max) throws(YAMLSchemaError) -> Int {
    let text = try string()
    guard let value = Int(text) else { throw failure("should be a whole number, not '\(text)'") }
    guard range.contains(value) else {
      throw failure("should be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
    return value
  }

  public func number() throws(YAMLSchemaError) -> Double {
    let text = try string()
    guard let value = Double(text), value.isFinite else { throw failure("should be a number, not '\(text)'") }
    return value
  }

  public func number(above limit: Double) throws(YAMLSchemaError) -> Double {
    let value = try number()
    guard value > limit else { throw failure("should be above \(limit), not \(value)") }
    return value
  }

  public func boolean() throws(YAMLSchemaError) -> Bool {
    switch try string() {
    case "true": return true
    case "false": return false
    case let text: throw failure("should be true or false, not '\(text)'")
    }
  }

  /// One of an enumeration's raw values.
  public func choice<Choice: RawRepresentable & CaseIterable>(
    _ type: Choice.Type
  ) throws(YAMLSchemaError) -> Choice where Choice.RawValue == String {
    let text = try string()
    guard let value = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw failure("'\(text)' is not known; it should be one of \(known)")
    }
    return value
  }

  /// An aliased collection is copied wherever it is named, so a few lines could grow without bound.
  private static func refuseAnchors(_ text: String, file: String) throws(YAMLSchemaError) {
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      var previous: Character = " "
      for (character, next) in zip(line, line.dropFirst()) {
        if character == "#", previous == " " { break }
        if character == "&", " \t[{,:-?".contains(previous), !next.isWhitespace {
          throw YAMLSchemaError(file: file, line: index + 1, what: "anchors (&) are not allowed here; write it out")
        }
        previous = character
      }
    }
  }
}

extension YamlError {
  fileprivate var line: Int? {
    switch self {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
    case .duplicatedKeysInMapping(_, let context): context.mark.line
    default: nil
    }
  }

  fileprivate var problem: String {
    switch self {
    case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _): problem
    case .duplicatedKeysInMapping(let duplicates, _):
      "\(duplicates.sorted().joined(separator: ", ")) is given twice"
    default: "it cannot be parsed"
    }
  }
}
