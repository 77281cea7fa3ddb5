import Foundation

/// JSON documents that begin with a schema: one place that says what is wrong with a file.
enum SchemaDocument {
  private struct Header: Decodable { var schema: String }

  /// - Throws: `malformed` with the key, or with the line of a key that the schema does not have; `unsupportedSchema`.
  static func decode<T: Codable>(_: T.Type, schema: String, _ data: Data, file: String) throws(CalibrationError) -> T {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let header = try? decoder.decode(Header.self, from: data) else {
      throw .malformed(file: file, reason: "no JSON document with a schema")
    }
    guard header.schema == schema else {
      if let found = name(header.schema), let wanted = name(schema), found != wanted {
        throw .otherDocument(file: file, found: found, wanted: wanted, hint: hints[schema] ?? "")
      }
      throw .unsupportedSchema(file: file, found: header.schema)
    }
    let document: T
    do {
      document = try decoder.decode(T.self, from: data)
    } catch DecodingError.keyNotFound(let key, let context) {
      throw .malformed(file: file, reason: "key \(key.stringValue) is missing at \(path(context))")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context)
    {
      throw .malformed(file: file, reason: "a value at \(path(context)) is of the wrong kind")
    } catch {
      throw .malformed(file: file, reason: "\(error)")
    }
    if let key = unknownKey(data, document) {
      throw .malformed(file: file, reason: "line \(line(of: key, in: data)): key \(key) is not known")
    }
    return document
  }

  /// What a schema's documents are called, whatever its version.
  private static func name(_ schema: String) -> String? {
    names.first { schema.hasPrefix($0.key) }?.value
  }

  private static let names = [
    "isa-patch/profile/": "a profile", "isa-patch/statistics/": "statistics that calibrate measured",
    "isa-patch/cost/": "a cost model", "isa-patch/calibrate/": "what calibrate --json prints",
    "isa-patch/collect/": "what calibrate collect --json prints", "isa-patch/inspect/": "what inspect --json prints",
    "isa-patch/compare/": "what compare --json prints", "isa-patch/recipe/": "a recipe",
    "isa-patch/adapter/": "an adapter"
  ]

  /// Where a document of a schema is to be had.
  private static let hints = [
    Profile.currentSchema: "give the MODEL.isa.json that calibrate wrote, or make one of statistics with 'isa-patch "
      + "calibrate solve'",
    StatisticsFile.currentSchema: "give the MODEL.isa.stats that calibrate or collect wrote",
  ]

  private static func path(_ context: DecodingError.Context) -> String {
    let keys = context.codingPath.map(\.stringValue).joined(separator: ".")
    return keys.isEmpty ? "the top" : keys
  }

  // MARK: Keys that the schema does not have

  /// A key that the file has and the document, written again, has not.
  private static func unknownKey(_ data: Data, _ document: some Encodable) -> String? {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let given = try? JSONSerialization.jsonObject(with: data), let again = try? encoder.encode(document),
      let known = try? JSONSerialization.jsonObject(with: again)
    else { return nil }
    return unknownKey(given, known)
  }

  private static func unknownKey(_ given: Any, _ known: Any) -> String? {
    if let given = given as? [String: Any], let known = known as? [String: Any] {
      for (key, value) in given.sorted(by: { $0.key < $1.key }) {
        if let counterpart = known[key] {
          if let found = unknownKey(value, counterpart) { return found }
        } else if !(value is NSNull) {
          return key
        }
      }
    } else if let given = given as? [Any], let known = known as? [Any] {
      for (a, b) in zip(given, known) {
        if let found = unknownKey(a, b) { return found }
      }
    }
    return nil
  }

  private static func line(of key: String, in data: Data) -> Int {
    let end = data.range(of: Data("\"\(key)\"".utf8))?.lowerBound ?? data.startIndex
    return 1 + data[..<end].count { $0 == UInt8(ascii: "\n") }
  }
}
